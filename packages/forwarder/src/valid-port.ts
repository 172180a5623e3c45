// What a port must be before the kernel is asked.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { isLinkName, linkNameRule } from '@nsm/netlink';
import { isSocket } from './interfaces/shared/shared-sockets.js';

/** @throws NsmError `invalid` for a name that Linux does not take. */
export function validPort(port: fw.Port): fw.Port {
  if (isSocket(port.type) || isLinkName(port.name.replace('%d', '9'))) return port;
  throw new NsmError(
    'invalid',
    `${JSON.stringify(port.name)} cannot name an interface: ${linkNameRule}, save one "%d"`,
  );
}
