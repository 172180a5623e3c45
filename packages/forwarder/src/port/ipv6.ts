// IPv6 on a pod's device: switched on for it alone where the pod has it switched off, and with the link-local address at once.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { IpPrefix, type RouteSocket, readSetting, writeSetting } from '@nsm/netlink';
import type { OpenPort } from './open-port.js';

/**
 * The kernel would make the same address when the link comes up, and for one to two seconds of duplicate address
 * detection neighbours could not be asked for.
 */
export function addLinkLocal(
  { index }: { readonly index: number },
  { mac }: fw.Port,
  socket: RouteSocket,
): void {
  socket.addAddress(index, { address: linkLocal(mac), nodad: true });
}

/** The link-local address that follows from a MAC address: modified EUI-64, RFC 4291, appendix A. */
export function linkLocal(mac: string): string {
  const bytes = mac.split(':');
  const eui64 = BigInt(`0x${[...bytes.slice(0, 3), 'ff', 'fe', ...bytes.slice(3)].join('')}`);
  return String(new IpPrefix(6, (0xfe80n << 112n) | (eui64 ^ (0x02n << 56n)), 64));
}

/**
 * Many pods have net.ipv6.conf.default.disable_ipv6 set, and a new device takes it over. As CNI plugins do, it is cleared for
 * the connection's own device; the pod's other devices and its defaults stay as they are. The device gets no address by itself.
 * @returns whether it was switched off. @throws NsmError `dataplane` where it cannot be switched on.
 */
export function switchOnIPv6(
  { namespace, socket }: OpenPort,
  device: { index: number; name: string },
): boolean {
  const name = socket.link(device.index)?.name ?? device.name;
  // /proc/sys/net shows the network namespace of the thread that looks.
  return namespace.run(() => {
    if (readDisableIPv6(name) !== '1') return false;
    socket.setLink(device.index, { ipv6AddressGeneration: 'none' });
    try {
      writeDisableIPv6(name, '0');
    } catch (error) {
      throw new NsmError(
        'dataplane',
        `IPv6 is switched off on ${name}, as net.ipv6.conf.default.disable_ipv6 of the pod says, and cannot be switched on: ` +
          `${error instanceof Error ? error.message : String(error)}; make /proc/sys writable for the forwarder, or have the ` +
          'endpoint give IPv4 addresses only',
        error,
      );
    }
    return true;
  });
}

/** `0` or `1` of a device in the thread's network namespace; undefined where there is no IPv6, or no /proc/sys. */
export function readDisableIPv6(name: string): '0' | '1' | undefined {
  const value = readSetting(settingOf(name));
  return value === undefined || value === '0' ? value : '1';
}

/** @throws Error of the file system, as EROFS in a container that may not change its kernel's settings. */
export function writeDisableIPv6(name: string, value: '0' | '1'): void {
  writeSetting(settingOf(name), value);
}

function settingOf(name: string): string {
  return `net/ipv6/conf/${name}/disable_ipv6`;
}
