// Brings a pod's device to what its port asks for: alias, MTU, MAC, addresses, up, routes.
import type { forwarder as fw } from '@nsm/api';
import { type Family, type Link, NetlinkBatchError, type RouteSocket, type RouteSpec } from '@nsm/netlink';
import type { OpenPort } from './open-port.js';
import type { Device } from './wiring.js';

/**
 * A fresh device gets everything in one batch; one that was there is compared first and only mended.
 * @throws NetlinkError with the request that the kernel refused.
 */
export function configureDevice(id: string, device: Device, { port, socket }: OpenPort): void {
  if (device.fresh) {
    const withIPv6 = port.addresses.some(isIPv6Prefix);
    toleratingNoIPv6(withIPv6, () =>
      socket.batch(() => {
        if (withIPv6) addLinkLocal(device, port, socket);
        // No link-local address, route, duplicate address detection and listener report where nobody speaks IPv6.
        else socket.setLink(device.index, { ipv6AddressGeneration: 'none' });
        socket.setLink(device.index, { alias: id, up: true });
        for (const address of port.addresses) socket.addAddress(device.index, { address, nodad: true });
        for (const route of port.routes) socket.addRoute(routeOf(device, route));
      }),
    );
    return;
  }
  mendLink(id, device, port, socket);
  mendAddresses(device, port, socket);
  mendRoutes(device, port, socket);
}

function isIPv6Prefix(prefix: string): boolean {
  return prefix.includes(':');
}

/**
 * The kernel would make the same address when the link comes up, and for one to two seconds of duplicate address
 * detection neighbours could not be asked for.
 */
function addLinkLocal({ index }: Device, { mac }: fw.Port, socket: RouteSocket): void {
  socket.addAddress(index, { address: linkLocal(mac), nodad: true });
}

/** Where a link has no IPv6 to begin with, there is nothing to switch off: the batch has done all the rest. */
function toleratingNoIPv6(withIPv6: boolean, configure: () => void): void {
  try {
    configure();
  } catch (error) {
    const harmless =
      !withIPv6 &&
      error instanceof NetlinkBatchError &&
      error.code === 'EAFNOSUPPORT' &&
      error.failures.every(({ index }) => index === 0);
    if (!harmless) throw error;
  }
}

/** The link-local address that follows from a MAC address: modified EUI-64, RFC 4291, appendix A. */
function linkLocal(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const groups = [((a ^ 0x02) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return `fe80::${groups.map((group) => group.toString(16)).join(':')}/64`;
}

/** A device that is up can be renamed since Linux 6.2. */
function rename(link: Link, { name }: fw.Port, socket: RouteSocket): void {
  if (name !== link.name && !name.includes('%')) socket.setLink(link.index, { name });
}

function mendLink(id: string, device: Device, port: fw.Port, socket: RouteSocket): void {
  const link = socket.link(device.index);
  if (!link) return;
  rename(link, port, socket);
  const wrong = link.mtu !== port.mtu || link.mac !== port.mac || !link.up || link.alias !== id;
  if (wrong) socket.setLink(device.index, { alias: id, mtu: port.mtu, mac: port.mac, up: true });
}

function mendAddresses(device: Device, port: fw.Port, socket: RouteSocket): void {
  const surplus = new Set<string>();
  let hasLinkLocal = false;
  for (const { address, scope } of socket.addresses({ index: device.index })) {
    if (scope !== 'link') surplus.add(address);
    else if (isIPv6Prefix(address)) hasLinkLocal = true;
  }
  const missing = port.addresses.filter((address) => !surplus.delete(address));
  for (const address of surplus) socket.deleteAddress(device.index, { address });
  if (!hasLinkLocal && missing.some(isIPv6Prefix)) {
    // It was made without IPv6.
    socket.setLink(device.index, { ipv6AddressGeneration: 'eui64' });
    addLinkLocal(device, port, socket);
  }
  for (const address of missing) socket.addAddress(device.index, { address, nodad: true });
}

function mendRoutes(device: Device, port: fw.Port, socket: RouteSocket): void {
  const surplus = new Map<string, RouteSpec>();
  for (const { destination, gateway, family, protocol } of socket.routes({ device: device.index })) {
    // Routes that follow from an address are the kernel's own to keep.
    if (protocol !== 'kernel')
      surplus.set(`${destination} ${gateway ?? ''}`, { destination, family, device: device.index });
  }
  const missing = port.routes
    .map((route) => routeOf(device, route))
    .filter((route) => !surplus.delete(`${route.destination} ${route.gateway ?? ''}`));
  for (const route of surplus.values()) socket.deleteRoute(route);
  for (const route of missing) socket.addRoute(route);
}

function routeOf({ index }: Device, { destination, gateway }: fw.Port['routes'][number]): RouteSpec {
  const defaults: Record<string, Family> = { '0.0.0.0/0': 'ipv4', '::/0': 'ipv6' };
  const family = defaults[destination];
  return {
    destination: family ? 'default' : destination,
    device: index,
    ...(family ? { family } : {}),
    ...(gateway ? { gateway, onlink: true } : {}),
  };
}
