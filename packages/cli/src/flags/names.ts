// Names on the command line, by the rules that names have everywhere.
import { idRule, isId, isManagerName, isName, isTrustDomain, managerNameRule, nameRule } from '@nsm/api';
import { InvalidArgumentError } from 'commander';

/** @throws InvalidArgumentError by the reader that it gives, for what does not fit. @param rule goes on after "It". */
function fitting(fits: (text: string) => boolean, rule: string): (text: string) => string {
  return (text) => {
    if (!fits(text)) throw new InvalidArgumentError(`It ${rule}.`);
    return text;
  };
}

/** Of a network service, an endpoint, its namespace, or a registry. */
export const parseName: (text: string) => string = fitting(isName, nameRule);
export const parseManagerName: (text: string) => string = fitting(isManagerName, managerNameRule);
export const parseId: (text: string) => string = fitting(isId, idRule);
export const parseTrustDomain: (text: string) => string = fitting(
  isTrustDomain,
  'must be 1 to 255 of a-z, 0-9, ".", "_" and "-", beginning and ending with a letter or digit',
);
/** IFNAMSIZ of linux/if.h, and dev_valid_name() of the kernel. */
export const parseDeviceName: (text: string) => string = fitting(
  (text) => /^[^\s/:]{1,15}$/.test(text) && text !== '.' && text !== '..' && Buffer.byteLength(text) <= 15,
  'must be the name of a device: 1 to 15 bytes, without spaces, "/" and ":"',
);
/** RFC 1123, and an IP address. */
export const parseHostName: (text: string) => string = fitting(
  (text) => /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text),
  'must be a host name, such as mesh.example.org',
);
/** NAME or NAMESPACE/NAME. */
export const parseProvider: (text: string) => string = fitting((text) => {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(isName);
}, `must be NAME or NAMESPACE/NAME, each of which ${nameRule}`);
export const parseImage: (text: string) => string = fitting(
  (text) => /^\S+$/.test(text),
  'must be the name of an image, such as localhost/nsm:dev',
);
