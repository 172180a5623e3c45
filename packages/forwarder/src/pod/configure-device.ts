// Brings a pod's device to what its port asks for: alias, MTU, MAC, addresses, up, routes.
import { NsmError } from '@nsm/api';
import { type Link, NetlinkBatchError, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { addLinkLocal, switchOnIPv6 } from '../port/ipv6.js';
import type { OpenPort } from '../port/open-port.js';
import type { Device } from '../port/wiring.js';
import { addRoutes, destinationOf, isIPv6Prefix, routesOf } from './device-routes.js';
import { Differences } from './differences.js';
import { passOn } from './forwarding.js';
import { mendDevice, ours } from './mend-device.js';
import { mayTake, routePod } from './pod-routing.js';

export interface Configuring {
  /** See `routePod`. */
  readonly cluster?: readonly string[] | undefined;
  /** Makes requests of the port's socket that a fresh device needs before it is up. */
  readonly first?: (() => void) | undefined;
}

/**
 * A fresh device gets all that the port wants; a device that was there is compared first and only mended.
 * @returns the differences that were found, in words. @throws NetlinkError with the request that the kernel refused.
 */
export async function configureDevice(
  id: string,
  device: Device,
  open: OpenPort,
  more: Configuring = {},
): Promise<string[]> {
  const found = new Differences(device.side, open.port.name.includes('%') ? device.name : open.port.name);
  try {
    if (device.fresh) {
      found.add('interface');
      await equip(id, device, open, more);
    } else await mendDevice(id, device, open, { found, cluster: more.cluster });
    passOn(device, open);
    return found.told();
  } catch (error) {
    throw explainRoute(error, device, open.socket) ?? error;
  }
}

async function equip(
  id: string,
  device: Device,
  open: OpenPort,
  { cluster, first }: Configuring,
): Promise<void> {
  const { port, socket } = open;
  const withIPv6 = port.addresses.some(isIPv6Prefix);
  if (withIPv6) switchOnIPv6(open, device);
  toleratingNoIPv6(withIPv6, () =>
    socket.batch(() => {
      if (withIPv6) addLinkLocal(device, port, socket);
      // No link-local address, route, duplicate address detection and listener report on an interface without IPv6.
      else socket.setLink(device.index, { ipv6AddressGeneration: 'none' });
      first?.();
      socket.setLink(device.index, { alias: id, group: 0, up: true });
      for (const address of port.addresses) socket.addAddress(device.index, ours(address));
    }),
  );
  if (port.routes.length === 0) return;
  const routes = routesOf(device.index, port, socket);
  // Before the first packet could go astray.
  if (mayTake(port, cluster)) routePod(socket, cluster, { device: device.index, routes });
  await addRoutes(routes, port, socket);
}

/** The pod routes the same destination otherwise: by which device. */
function routeInTheWay(
  error: unknown,
  device: number | undefined,
  socket: RouteSocket,
): { readonly destination: string; readonly device: number; readonly link?: Link } | undefined {
  if (!(error instanceof NetlinkError && error.code === 'EEXIST' && error.operation === 'add route'))
    return undefined;
  const [text = ''] = error.object.split(' ');
  const destination = destinationOf({ destination: text });
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
