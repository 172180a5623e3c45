// An endpoint's pod passes on what its clients send, where the endpoint asks for it.
import { forwarding, NsmError } from '@nsm/api';
import { readSetting, writeSetting } from '@nsm/netlink';
import type { OpenPort } from '../port/open-port.js';
import type { Device } from '../port/wiring.js';
import { isIPv6Prefix } from './device-routes.js';

const everywhere = 'net/ipv6/conf/all/forwarding';

/**
 * Lets packets go on that come in by an endpoint's device, of those versions of IP of which the device has an address. IPv4 is passed
 * on for the device alone; for IPv6 the kernel knows one setting for the whole namespace, which stays on until the endpoint's pod ends.
 * @throws NsmError `privilege` when the endpoint's process could not do as much itself, or the forwarder cannot.
 */
export function passOn({ index, side }: Device, { port, socket, namespace }: OpenPort): void {
  if (side !== 'endpoint' || port.parameters[forwarding] !== 'on') return;
  if (!port.namespace?.administered)
    throw new NsmError(
      'privilege',
      `the endpoint asks for interface parameter ${forwarding}=on, and its process has no CAP_NET_ADMIN in its network namespace`,
    );
  if (port.addresses.some((address) => !isIPv6Prefix(address)))
    socket.setLink(index, { ipv4Forwarding: true });
  if (!port.addresses.some(isIPv6Prefix)) return;
  const announced = socket
    .routes({ family: 'ipv6', protocol: 'ra' })
    .flatMap(({ destination, device }) =>
      destination === 'default' && device !== undefined ? [device] : [],
    );
  namespace.run(() => {
    if (readSetting(everywhere) === '1') return;
    try {
      // A forwarding host stops taking its default route from router advertisements unless accept_ra is 2
      // (Documentation/networking/ip-sysctl.rst).
      for (const device of new Set(announced)) {
        const accept = `net/ipv6/conf/${socket.link(device)?.name}/accept_ra`;
        if (readSetting(accept) === '1') writeSetting(accept, '2');
      }
      writeSetting(everywhere, '1');
    } catch (error) {
      throw new NsmError(
        'privilege',
        `the endpoint's pod does not pass on IPv6, and ${everywhere.replaceAll('/', '.')} cannot be set: ` +
          `${error instanceof Error ? error.message : String(error)}; give the forwarder CAP_SYS_ADMIN or a writable /proc/sys, or set ` +
          'it in the pod (securityContext.sysctls)',
        error,
      );
    }
  });
}
