// What a port must be before the kernel is asked.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { isSocket } from './interfaces/shared/shared-sockets.js';

/** IFNAMSIZ less the final zero, linux/if.h. */
const maxNameLength = 15;

/** @throws NsmError `invalid` for a name that Linux does not take. */
export function validPort(port: fw.Port): fw.Port {
  if (isSocket(port.type)) return port;
  const longest = port.name.replace('%d', '9');
  const wellFormed =
    longest.length > 0 &&
    Buffer.byteLength(longest) <= maxNameLength &&
    !/[\s/:%]/.test(longest) &&
    !/^\.\.?$/.test(longest);
  if (wellFormed) return port;
  throw new NsmError(
    'invalid',
    `${JSON.stringify(port.name)} cannot name an interface: 1 to ${maxNameLength} bytes without white space, "/", ":" or "%", save one "%d"`,
  );
}
