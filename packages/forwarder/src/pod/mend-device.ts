// Compares a pod's device that is there with what its port asks for, and mends what differs.
import type { forwarder as fw } from '@nsm/api';
import {
  type AddressSpec,
  IpPrefix,
  type Link,
  type Route,
  type RouteSocket,
  type RouteSpec,
} from '@nsm/netlink';
import { removalGroup } from '../port/device-groups.js';
import { addLinkLocal, switchOnIPv6 } from '../port/ipv6.js';
import { type OpenPort, requireFreeName } from '../port/open-port.js';
import type { Device } from '../port/wiring.js';
import { addRoutes, destinationOf, isIPv6Prefix, ownProtocol, routesOf } from './device-routes.js';
import type { Differences } from './differences.js';
import { isDefault, mayTake, routePod } from './pod-routing.js';

interface Mending {
  readonly found: Differences;
  /** See `routePod`. */
  readonly cluster: readonly string[] | undefined;
}

/** Tables are read once each, however much there is to compare. @throws NetlinkError */
export async function mendDevice(
  id: string,
  device: Device,
  open: OpenPort,
  { found, cluster }: Mending,
): Promise<void> {
  const { port, socket } = open;
  mendLink(id, device, port, socket, found);
  mendAddresses(device, open, found);
  // After the addresses: the kernel takes away and gives routes with them.
  const routes = socket.routes({ device: device.index });
  mendConnected(device, port, socket, routes, found);
  await mendRoutes(device, open, routes, { found, cluster });
  if (port.takesOver !== '') takeConnected(port, socket);
}

export function ours(address: string): AddressSpec {
  return { address, nodad: true, protocol: ownProtocol };
}

/**
 * Where both have an address, packets go through the new device from now on; the old one keeps its address, so that those on
 * their way arrive.
 */
function takeConnected({ addresses, takesOver }: fw.Port, socket: RouteSocket): void {
  const before = socket.links().find(({ alias }) => alias === takesOver);
  if (!before) return;
  const connected = new Set(addresses.map((address) => String(IpPrefix.of(address).network)));
  for (const { destination, family, protocol } of socket.routes({ device: before.index }))
    if (protocol === 'kernel' && connected.has(destination))
      socket.deleteRoute({ destination, family, protocol, device: before.index });
}

/** A device that is up can be renamed since Linux 6.2. */
function rename(link: Link, { name, formerName }: fw.Port, socket: RouteSocket, found: Differences): void {
  if (name === link.name || name.includes('%')) return;
  requireFreeName(socket, name);
  socket.setLink(link.index, { name });
  // With a former name the port wants a new name from now on, which is no difference.
  if (formerName === '') found.add('name');
}

function mendLink(id: string, device: Device, port: fw.Port, socket: RouteSocket, found: Differences): void {
  const link = socket.link(device.index);
  if (!link) return;
  rename(link, port, socket, found);
  const wrong = wrongOf(link, port, id);
  if (wrong.length > 0) socket.setLink(device.index, { alias: id, mtu: port.mtu, mac: port.mac, up: true });
  for (const sort of wrong) found.add(sort);
  // A forwarder that was about to delete the device was killed.
  if (link.group === removalGroup) socket.setLink(device.index, { group: 0 });
}

/** What of a link is other than its port wants, in words. */
export function wrongOf(link: Link, port: fw.Port, id: string): string[] {
  return [
    link.mtu !== port.mtu && 'MTU',
    link.mac !== port.mac && 'hardware address',
    !link.up && 'state "up"',
    link.alias !== id && 'alias',
  ].filter((sort) => sort !== false);
}

function mendAddresses(device: Device, open: OpenPort, found: Differences): void {
  const { port, socket } = open;
  if (port.addresses.some(isIPv6Prefix) && switchOnIPv6(open, device)) found.add('IPv6');
  const present = socket.addresses({ index: device.index });
  const held = new Set(present.map(({ address }) => address));
  const wanted = new Set(port.addresses);
  for (const { address, protocol } of present) {
    if (protocol !== ownProtocol || wanted.has(address)) continue;
    socket.deleteAddress(device.index, { address });
  }
  const missing = [...wanted].filter((address) => !held.has(address));
  const hasLinkLocal = present.some(({ scope, family }) => scope === 'link' && family === 'ipv6');
  if (!hasLinkLocal && missing.some(isIPv6Prefix)) {
    // The device was made without IPv6.
    socket.setLink(device.index, { ipv6AddressGeneration: 'eui64' });
    addLinkLocal(device, port, socket);
  }
  for (const address of missing) socket.addAddress(device.index, ours(address));
  found.addAll('address', missing);
}

/** The kernel makes the route to the network of an address once; someone may have taken it away since. */
function mendConnected(
  { index }: Device,
  port: fw.Port,
  socket: RouteSocket,
  routes: readonly Route[],
  found: Differences,
): void {
  for (const { destination, ...how } of connectedMissing(port, routes)) {
    socket.addRoute({ destination, device: index, protocol: 'kernel', ...how });
    found.add('route', destination);
  }
}

/** Routes to the networks of its addresses that a device does not have. */
export function connectedMissing(
  { addresses }: fw.Port,
  routes: readonly Route[],
): Pick<RouteSpec, 'destination' | 'metric' | 'source' | 'scope'>[] {
  const present = new Set(routes.map(({ destination }) => destination));
  return addresses.flatMap((address) => {
    const { address: source, network, isHost, version } = IpPrefix.of(address);
    const destination = String(network);
    if (isHost || present.has(destination)) return [];
    return [{ destination, ...(version === 6 ? { metric: 256 } : { source, scope: 'link' as const }) }];
  });
}

/** Compares the routes of a device with those that its port wants. */
export function routesAgainst(
  device: number,
  { port, socket }: Pick<OpenPort, 'port' | 'socket'>,
  routes: readonly Route[],
): { readonly wanted: RouteSpec[]; readonly missing: RouteSpec[]; readonly surplus: Route[] } {
  const key = (route: RouteSpec | Route): string => `${destinationOf(route)} ${route.gateway ?? ''}`;
  const wanted = routesOf(device, port, socket);
  const missing = new Map(wanted.map((route) => [key(route), route]));
  const surplus = routes.filter((route) => !missing.delete(key(route)) && route.protocol === ownProtocol);
  return { wanted, missing: [...missing.values()], surplus };
}

async function mendRoutes(
  { index }: Device,
  open: OpenPort,
  routes: readonly Route[],
  { found, cluster }: Mending,
): Promise<void> {
  const { port, socket } = open;
  const { wanted, missing, surplus } = routesAgainst(index, open, routes);
  if (surplus.length > 0)
    socket.batch(() => {
      for (const { destination, gateway, family } of surplus)
        socket.deleteRoute({ destination, gateway, family, device: index });
    });
  if (mayTake(port, cluster) || surplus.some(isDefault))
    found.addAll('route', routePod(socket, cluster, { device: index, routes: wanted }));
  await addRoutes(missing, port, socket);
  found.addAll(
    'route',
    missing.map(({ destination }) => destination),
  );
}
