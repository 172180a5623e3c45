// Keeps packets to some destinations on the way that they have without connections, by routes of the mesh's own beside those that
// would take them.
import { IpPrefix, type Route, type RouteSocket, type RouteSpec } from '@nsm/netlink';
import { ownProtocol } from './device-routes.js';

/** Metrics from here on tell the routes that keep a way: 256 for the managers of a node, and that of the cluster. */
export const firstKeeperMetric = 0x4e534d00;
export const clusterMetric: number = firstKeeperMetric + 256;

export interface Keeping {
  readonly destinations: readonly IpPrefix[];
  /** Tells the routes that keep from those of connections, and of another keeper. */
  readonly metric: number;
  /** Whether a route of the main table is a connection's. */
  readonly isTheirs: (route: Route) => boolean;
  /** Routes of connections that are about to be there. */
  readonly coming?: readonly RouteSpec[];
  /** Whether a destination without a route that keeps it is led elsewhere by the kernel. Default: so say the routes. */
  readonly isTaken?: (destination: IpPrefix) => boolean;
}

/** What was done: destinations that are kept now, and those of routes that were missing. */
export interface Kept {
  readonly kept: readonly IpPrefix[];
  readonly added: readonly string[];
}

/** @param main the unicast routes of the main table. @throws NetlinkError */
export function keepRoutes(
  socket: RouteSocket,
  main: readonly Route[],
  { destinations, metric, isTheirs, coming = [], isTaken = () => true }: Keeping,
): Kept {
  const present = new Map(
    main.flatMap((route) =>
      route.protocol === ownProtocol && route.metric === metric && !isTheirs(route)
        ? [[route.destination, route] as const]
        : [],
    ),
  );
  const theirs = [...main.filter(isTheirs), ...coming];
  const others = main.filter((route) => !isTheirs(route) && present.get(route.destination) !== route);
  const [kept, added]: [IpPrefix[], string[]] = [[], []];
  for (const target of destinations) {
    const way = bestTo(target, others);
    const taken = bestTo(target, theirs);
    if (!way || !taken || lengthOf(taken) < lengthOf(way)) continue;
    const destination = String(target.network);
    const known = present.get(destination);
    if (!known && !isTaken(target)) continue;
    present.delete(destination);
    kept.push(target);
    const { gateway, device, source, onlink, multipath } = way;
    const several = multipath.length > 0;
    const wanted: RouteSpec = {
      destination,
      protocol: ownProtocol,
      metric,
      ...(several ? { multipath } : { gateway, device, onlink }),
      source,
    };
    if (known && !several && !differs(known, wanted)) continue;
    socket.addRoute(wanted, 'replace');
    if (!known) added.push(destination);
  }
  for (const { destination, family, device, gateway } of present.values())
    socket.deleteRoute({ destination, family, metric, protocol: ownProtocol, device, gateway });
  return { kept, added };
}

function differs(present: Route, wanted: RouteSpec): boolean {
  const { gateway, device, source } = present;
  return gateway !== wanted.gateway || device !== wanted.device || source !== wanted.source;
}

type Destined = Pick<RouteSpec, 'destination' | 'metric' | 'family'>;

/** As the kernel chooses in one table: the longest prefix, then the lowest metric. */
export function bestTo<Some extends Destined>(target: IpPrefix, routes: readonly Some[]): Some | undefined {
  let best: Some | undefined;
  for (const route of routes) {
    if (!holds(route, target)) continue;
    const longer = best ? lengthOf(route) - lengthOf(best) : 1;
    if (longer > 0 || (longer === 0 && (route.metric ?? 0) < (best?.metric ?? 0))) best = route;
  }
  return best;
}

function holds({ destination, family }: Destined, target: IpPrefix): boolean {
  if (destination === 'default') return family === (target.version === 4 ? 'ipv4' : 'ipv6');
  const prefix = IpPrefix.of(destination);
  return prefix.length <= target.length && prefix.contains(target);
}

function lengthOf({ destination }: Destined): number {
  return destination === 'default' ? 0 : IpPrefix.of(destination).length;
}
