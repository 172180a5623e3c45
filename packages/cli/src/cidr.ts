// CIDR prefixes as flags take them.
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';

/** Reads ADDRESS/LENGTH, IPv4 or IPv6. */
export function parseCidr(text: string): string {
  const [address = '', length = '', ...rest] = text.split('/');
  const family = isIP(address);
  if (!family || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > (family === 4 ? 32 : 128))
    throw new InvalidArgumentError('Write a prefix as 10.60.0.0/16 or fd00:60::/48.');
  return text;
}

/** Reads [SERVICE=]ADDRESS/LENGTH. */
export function parseServicePrefix(text: string): { readonly service?: string; readonly cidr: string } {
  const at = text.indexOf('=');
  if (at < 0) return { cidr: parseCidr(text) };
  const service = text.slice(0, at);
  if (service === '') throw new InvalidArgumentError('Write CIDR, or SERVICE=CIDR as in vpn=10.60.0.0/16.');
  return { service, cidr: parseCidr(text.slice(at + 1)) };
}
