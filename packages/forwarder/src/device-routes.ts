// The routes of a connection through its device: which they are, and how thousands of them are put in at once.
import { setImmediate as turn } from 'node:timers/promises';
import type { forwarder as fw } from '@nsm/api';
import {
  type Family,
  formatIp,
  NetlinkBatchError,
  parseIp,
  type Route,
  type RouteConflict,
  type RouteSocket,
  type RouteSpec,
} from '@nsm/netlink';

/**
 * Marks addresses (IFA_PROTO) and routes (rtm_protocol) as the mesh's: what a pod adds to its interface by itself is left
 * alone. A number that rt_protos of iproute2 gives to nobody.
 */
export const ownProtocol = 78;

/** The kernel takes some 20 µs for each: after so many the others of the event loop have their turn. */
const atOnce = 256;

/**
 * A default route stands beside the pod's own: as its two halves, which are more specific, so that it goes before that one
 * and leaves it as it was.
 */
export function routesOf(index: number, port: fw.Port, socket: RouteSocket): RouteSpec[] {
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

/**
 * A route of the connection that this one is to replace is left behind the new one, and goes with its interface: at no moment
 * is there none.
 * @throws NetlinkError for what the pod routes otherwise.
 */
export async function addRoutes(
  routes: readonly RouteSpec[],
  { takesOver }: fw.Port,
  socket: RouteSocket,
): Promise<void> {
  const refused = await addAll(routes, 'fail', socket);
  if (!refused) return;
  const replaced = takesOver === '' ? undefined : socket.links().find(({ alias }) => alias === takesOver);
  const twins = new Set(replaced && socket.routes({ device: replaced.index }).map(destinationOf));
  const others = refused.failures.filter(
    ({ index, error }) => error.code !== 'EEXIST' || !twins.has(destinationOf(routes[index])),
  );
  if (others[0]) throw new NetlinkBatchError(others[0], others);
  const again = refused.failures.flatMap(({ index }) => routes[index] ?? []);
  const failed = await addAll(again, 'prepend', socket);
  if (failed) throw failed;
}

/** @returns those that the kernel refused, by their place among all. */
async function addAll(
  routes: readonly RouteSpec[],
  conflict: RouteConflict,
  socket: RouteSocket,
): Promise<NetlinkBatchError | undefined> {
  const failures: NetlinkBatchError['failures'][number][] = [];
  for (let start = 0; start < routes.length; start += atOnce) {
    if (start > 0) await turn();
    try {
      socket.batch(() => {
        for (const route of routes.slice(start, start + atOnce)) socket.addRoute(route, conflict);
      });
    } catch (error) {
      if (!(error instanceof NetlinkBatchError)) throw error;
      failures.push(...error.failures.map((failure) => ({ ...failure, index: start + failure.index })));
    }
  }
  return failures[0] && new NetlinkBatchError(failures[0], failures);
}

/** As the kernel writes it: `10.0.0.0/8`, `default`. */
export function destinationOf(route: RouteSpec | Route | undefined): string {
  return route === undefined || route.destination === 'default' ? 'default' : networkOf(route.destination);
}

/** The prefix that an address with prefix length is in, as the kernel writes it. */
export function networkOf(prefix: string): string {
  const [address = '', length] = prefix.split('/');
  const bytes = parseIp(address);
  const bits = length === undefined ? 8 * bytes.length : Number(length);
  const masked = bytes.map((byte, at) => byte & (0xff << (8 - Math.max(0, Math.min(8, bits - 8 * at)))));
  return `${formatIp(masked)}/${bits}`;
}

/** An address, with prefix length or without, as the kernel writes it. */
export function canonical(text: string): string {
  const [address = '', length] = text.split('/');
  return `${formatIp(parseIp(address))}${length === undefined ? '' : `/${length}`}`;
}

export function isIPv6Prefix(prefix: string): boolean {
  return prefix.includes(':');
}
