// Brings a pod's device to what its port asks for: alias, MTU, MAC, addresses, up, routes.
import { type forwarder as fw, NsmError } from '@nsm/api';
import {
  type AddressSpec,
  type Family,
  IpPrefix,
  type Link,
  NetlinkBatchError,
  NetlinkError,
  type RouteSocket,
  type RouteSpec,
} from '@nsm/netlink';
import { doomed } from './device-groups.js';
import { type OpenPort, requireFreeName } from './open-port.js';
import type { Device } from './wiring.js';

/**
 * Marks addresses (IFA_PROTO) and routes (rtm_protocol) as the mesh's: what a pod adds to its interface by itself is left
 * alone. A number that rt_protos of iproute2 gives to nobody.
 */
const ownProtocol = 78;

/**
 * A fresh device gets everything in one batch; one that was there is compared first and only mended.
 * @throws NetlinkError with the request that the kernel refused.
 */
export function configureDevice(id: string, device: Device, open: OpenPort): void {
  try {
    if (device.fresh) equip(id, device, open);
    else mendDevice(id, device, open);
  } catch (error) {
    throw explainRoute(error, device, open.socket) ?? error;
  }
}

function equip(id: string, device: Device, { port, socket }: OpenPort): void {
  const withIPv6 = port.addresses.some(isIPv6Prefix);
  const routes = routesOf(device, port, socket);
  toleratingNoIPv6(withIPv6, () =>
    socket.batch(() => {
      if (withIPv6) addLinkLocal(device, port, socket);
      // No link-local address, route, duplicate address detection and listener report where nobody speaks IPv6.
      else socket.setLink(device.index, { ipv6AddressGeneration: 'none' });
      socket.setLink(device.index, { alias: id, group: 0, up: true });
      for (const address of port.addresses) socket.addAddress(device.index, ours(address));
      // What stands beside another waits behind it.
      for (const route of routes) socket.addRoute(route, port.beside === '' ? 'fail' : 'append');
    }),
  );
}

/**
 * A route of the connection that this one is to replace is left behind the new one, and goes with its interface: at no moment
 * is there none.
 */
function addRoute(route: RouteSpec, { takesOver, beside }: fw.Port, socket: RouteSocket): void {
  try {
    socket.addRoute(route);
  } catch (error) {
    const inTheWay = routeInTheWay(error, route.device, socket);
    const alias = inTheWay?.link?.alias || undefined;
    if (alias === undefined || (alias !== takesOver && alias !== beside)) throw error;
    socket.addRoute(route, alias === takesOver ? 'prepend' : 'append');
  }
}

function mendDevice(id: string, device: Device, { port, socket }: OpenPort): void {
  mendLink(id, device, port, socket);
  mendAddresses(device, port, socket);
  mendRoutes(device, port, socket);
  if (port.takesOver !== '') takeConnected(port, socket);
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

/** The pod routes the same destination otherwise: by which device. */
function routeInTheWay(
  error: unknown,
  device: number | undefined,
  socket: RouteSocket,
): { readonly destination: string; readonly device: number; readonly link?: Link } | undefined {
  if (!(error instanceof NetlinkError && error.code === 'EEXIST' && error.operation === 'add route'))
    return undefined;
  const [destination = ''] = error.object.split(' ');
  const other = socket
    .routes()
    .find((route) => route.destination === destination && route.device !== device)?.device;
  if (other === undefined) return undefined;
  const link = socket.link(other);
  return { destination, device: other, ...(link ? { link } : {}) };
}

/** Says which route is in the way, and what can be done. */
function explainRoute(error: unknown, { index }: Device, socket: RouteSocket): NsmError | undefined {
  const inTheWay = routeInTheWay(error, index, socket);
  if (!inTheWay) return undefined;
  const { destination, device, link } = inTheWay;
  const { name = `#${device}`, alias } = link ?? {};
  const whose = alias ? ` of ${alias}` : '';
  return new NsmError(
    'dataplane',
    `the pod routes ${destination} through ${name}${whose} already; remove that route, or have the endpoint give another`,
    error,
  );
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
  const bytes = mac.split(':');
  const eui64 = BigInt(`0x${[...bytes.slice(0, 3), 'ff', 'fe', ...bytes.slice(3)].join('')}`);
  return String(new IpPrefix(6, (0xfe80n << 112n) | (eui64 ^ (0x02n << 56n)), 64));
}

/** A device that is up can be renamed since Linux 6.2. */
function rename(link: Link, { name }: fw.Port, socket: RouteSocket): void {
  if (name === link.name || name.includes('%')) return;
  requireFreeName(socket, name);
  socket.setLink(link.index, { name });
}

function mendLink(id: string, device: Device, port: fw.Port, socket: RouteSocket): void {
  const link = socket.link(device.index);
  if (!link) return;
  rename(link, port, socket);
  const wrong = link.mtu !== port.mtu || link.mac !== port.mac || !link.up || link.alias !== id;
  if (wrong) socket.setLink(device.index, { alias: id, mtu: port.mtu, mac: port.mac, up: true });
  // Whoever was about to delete it was killed.
  if (link.group === doomed) socket.setLink(device.index, { group: 0 });
}

function mendAddresses(device: Device, port: fw.Port, socket: RouteSocket): void {
  const present = socket.addresses({ index: device.index });
  const held = new Set(present.map(({ address }) => address));
  const missing = port.addresses.filter((address) => !held.has(address));
  for (const { address, protocol } of present)
    if (protocol === ownProtocol && !port.addresses.includes(address))
      socket.deleteAddress(device.index, { address });
  const hasLinkLocal = present.some(({ scope, family }) => scope === 'link' && family === 'ipv6');
  if (!hasLinkLocal && missing.some(isIPv6Prefix)) {
    // It was made without IPv6.
    socket.setLink(device.index, { ipv6AddressGeneration: 'eui64' });
    addLinkLocal(device, port, socket);
  }
  for (const address of missing) socket.addAddress(device.index, ours(address));
  mendConnected(device, port, socket);
}

/** The kernel makes the route to the network of an address once; someone may have taken it away since. */
function mendConnected({ index }: Device, port: fw.Port, socket: RouteSocket): void {
  const present = new Set(socket.routes({ device: index }).map(({ destination }) => destination));
  for (const address of port.addresses) {
    const { address: source, network, isHost, version } = IpPrefix.of(address);
    const destination = String(network);
    if (isHost || present.has(destination)) continue;
    const metric = version === 6 ? { metric: 256 } : { source, scope: 'link' as const };
    socket.addRoute({ destination, device: index, protocol: 'kernel', ...metric });
  }
}

function mendRoutes(device: Device, port: fw.Port, socket: RouteSocket): void {
  const key = ({ destination, gateway }: RouteSpec): string => `${destination} ${gateway ?? ''}`;
  const wanted = new Map(routesOf(device, port, socket).map((route) => [key(route), route]));
  for (const route of socket.routes({ device: device.index })) {
    const { destination, gateway, family, protocol } = route;
    if (wanted.delete(key(route)) || protocol !== ownProtocol) continue;
    socket.deleteRoute({ destination, gateway, family, device: device.index });
  }
  for (const route of wanted.values()) addRoute(route, port, socket);
}

function ours(address: string): AddressSpec {
  return { address, nodad: true, protocol: ownProtocol };
}

/**
 * A default route stands beside the pod's own: as its two halves, which are more specific, so that it goes before that one
 * and leaves it as it was.
 */
function routesOf({ index }: Device, port: fw.Port, socket: RouteSocket): RouteSpec[] {
  return port.routes.flatMap(({ destination, gateway }) => {
    const common = {
      device: index,
      protocol: ownProtocol,
      ...(gateway ? { gateway, onlink: true } : {}),
    };
    const whole = defaults[destination];
    if (!whole) return [{ destination, ...common }];
    const taken = socket
      .routes({ family: whole.family })
      .some(
        ({ destination: other, device, protocol }) =>
          other === 'default' && device !== index && protocol !== ownProtocol,
      );
    return taken
      ? whole.halves.map((half) => ({ destination: half, ...common }))
      : [{ destination: 'default', family: whole.family, ...common }];
  });
}

const defaults: Readonly<Record<string, { readonly family: Family; readonly halves: readonly string[] }>> = {
  '0.0.0.0/0': { family: 'ipv4', halves: ['0.0.0.0/1', '128.0.0.0/1'] },
  '::/0': { family: 'ipv6', halves: ['::/1', '8000::/1'] },
};
