// The routes of a connection through its device: which they are, and how thousands of them are put in at once.
import { setImmediate as turn } from 'node:timers/promises';
import type { forwarder as fw } from '@nsm/api';
import {
  type Family,
  IpPrefix,
  NetlinkBatchError,
  type Route,
  type RouteConflict,
  type RouteSocket,
  type RouteSpec,
} from '@nsm/netlink';

/**
 * Marks addresses (IFA_PROTO) and routes (rtm_protocol) as the mesh's: addresses and routes that a pod adds to its
 * interface by itself are left alone. The number is free in rt_protos of iproute2.
 */
export const ownProtocol = 78;

/** The kernel takes some 20 µs for each: after so many the others of the event loop have their turn. */
const atOnce = 256;

/**
 * A default route stands beside the pod's own: as two halves, which are more specific, so that they go before the pod's
 * own default route and leave that as it was. The routes of connections that are there already stay before a new connection's.
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
    const { family, halves, metric } = whole;
    const others = socket.routes({ family }).filter(({ device }) => device !== index);
    const taken = others.some(
      ({ destination: other, protocol }) => other === 'default' && protocol !== ownProtocol,
    );
    const destinations = taken ? halves : ['default'];
    const behind = placeBehind(others, { destination: destinations[0] ?? '', first: metric }, port, socket);
    return destinations.map((part) => ({ destination: part, family, ...common, ...behind }));
  });
}

const defaults: Readonly<
  Record<
    string,
    {
      readonly family: Family;
      readonly halves: readonly string[];
      /** What the kernel gives to a route without. */
      readonly metric: number;
    }
  >
> = {
  '0.0.0.0/0': { family: 'ipv4', halves: ['0.0.0.0/1', '128.0.0.0/1'], metric: 0 },
  '::/0': { family: 'ipv6', halves: ['::/1', '8000::/1'], metric: 1024 },
};

/** The lowest metric that no other connection has, but for those whose place this one takes. */
function placeBehind(
  others: readonly Route[],
  { destination, first }: { readonly destination: string; readonly first: number },
  { takesOver, beside }: fw.Port,
  socket: RouteSocket,
): { readonly metric?: number } {
  const same = others.filter(
    (route) => route.protocol === ownProtocol && destinationOf(route) === destination,
  );
  if (same.length === 0) return {};
  const taken = new Set(
    same
      .filter(({ device }) => {
        const { alias = '' } = device === undefined ? {} : (socket.link(device) ?? {});
        return alias === '' || (alias !== takesOver && alias !== beside);
      })
      .map(({ metric = 0 }) => metric),
  );
  let metric = first;
  while (taken.has(metric)) metric++;
  return metric === first ? {} : { metric };
}

/**
 * A route of the replaced connection is left behind the new route, and goes with its interface: at no moment is there no
 * route.
 * @throws NetlinkError for what the pod routes otherwise.
 */
export async function addRoutes(
  routes: readonly RouteSpec[],
  { takesOver, beside }: fw.Port,
  socket: RouteSocket,
): Promise<void> {
  const refused = await addAll(routes, 'fail', socket);
  if (!refused) return;
  const links = socket.links();
  const routedBy = (id: string): Set<string> => {
    const link = id === '' ? undefined : links.find(({ alias }) => alias === id);
    return new Set(link && socket.routes({ device: link.index }).map(destinationOf));
  };
  const [replaced, shared] = [routedBy(takesOver), routedBy(beside)];
  const others = refused.failures.filter(({ index, error }) => {
    const destination = destinationOf(routes[index]);
    return error.code !== 'EEXIST' || !(replaced.has(destination) || shared.has(destination));
  });
  if (others[0]) throw new NetlinkBatchError(others[0], others);
  const again = refused.failures.flatMap(({ index }) => routes[index] ?? []);
  const before = again.filter((route) => replaced.has(destinationOf(route)));
  // What stands beside another waits behind it.
  const behind = again.filter((route) => !replaced.has(destinationOf(route)));
  const failed = (await addAll(before, 'prepend', socket)) ?? (await addAll(behind, 'append', socket));
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
  return route === undefined || route.destination === 'default'
    ? 'default'
    : String(IpPrefix.of(route.destination).network);
}

export function isIPv6Prefix(prefix: string): boolean {
  return prefix.includes(':');
}
