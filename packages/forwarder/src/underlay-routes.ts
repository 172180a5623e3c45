// The node reaches other nodes past its own connections: by host routes, where a route of a connection would take what it sends.
import { createHash } from 'node:crypto';
import type { forwarder as fw } from '@nsm/api';
import { IpPrefix, type Route, type RouteSocket, type RouteSpec } from '@nsm/netlink';
import { ownProtocol } from './device-routes.js';

/** Metrics from here on tell the host routes of one manager on this node from another's. */
const firstMetric = 0x4e534d00;

/** @returns the addresses that have a host route now. @throws NetlinkError */
export function keepUnderlayRoutes(
  socket: RouteSocket,
  { idPrefix, addresses, interfaces }: Pick<fw.KeepWaysRequest, 'idPrefix' | 'addresses' | 'interfaces'>,
): string[] {
  const metric = firstMetric + createHash('sha256').update(idPrefix).digest().readUInt8();
  const connections = new Set(interfaces.flatMap((name) => socket.link(name)?.index ?? []));
  const isTheirs = ({ device }: Route): boolean => device !== undefined && connections.has(device);
  const routes = socket.routes({ table: 'main' }).filter(({ type }) => type === 'unicast');
  const own = new Map(
    routes.flatMap((route) =>
      route.protocol === ownProtocol && route.metric === metric && !isTheirs(route)
        ? [[route.destination, route] as const]
        : [],
    ),
  );
  const theirs = routes.filter(isTheirs);
  const underlay = routes.filter((route) => !isTheirs(route) && own.get(route.destination) !== route);
  const kept: string[] = [];
  for (const address of addresses) {
    const target = IpPrefix.ofAddress(address);
    const way = bestTo(target, underlay);
    const taken = bestTo(target, theirs);
    if (!way || !taken || lengthOf(taken) < lengthOf(way)) continue;
    const destination = String(target.host);
    const present = own.get(destination);
    // A rule may lead it past all of this.
    if (!present && !isTaken(socket, address, connections)) continue;
    own.delete(destination);
    kept.push(address);
    const { gateway, device, source, onlink, multipath } = way;
    const several = multipath.length > 0;
    const wanted: RouteSpec = {
      ...{ destination, protocol: ownProtocol, metric },
      ...(several ? { multipath } : { gateway, device, onlink }),
      source,
    };
    if (!present || several || differs(present, wanted)) socket.addRoute(wanted, 'replace');
  }
  for (const { destination, family, device, gateway } of own.values())
    socket.deleteRoute({ destination, family, metric, protocol: ownProtocol, device, gateway });
  return kept;
}

function differs(present: Route, wanted: RouteSpec): boolean {
  const { gateway, device, source } = present;
  return gateway !== wanted.gateway || device !== wanted.device || source !== wanted.source;
}

function isTaken(socket: RouteSocket, address: string, connections: ReadonlySet<number>): boolean {
  try {
    return connections.has(socket.routeTo(address).device);
  } catch {
    // It has no way at all.
    return false;
  }
}

/** As the kernel chooses in one table: the longest prefix, then the lowest metric. */
function bestTo(target: IpPrefix, routes: readonly Route[]): Route | undefined {
  let best: Route | undefined;
  for (const route of routes) {
    if (!holds(route, target)) continue;
    const longer = best ? lengthOf(route) - lengthOf(best) : 1;
    if (longer > 0 || (longer === 0 && (route.metric ?? 0) < (best?.metric ?? 0))) best = route;
  }
  return best;
}

function holds({ destination, family }: Route, target: IpPrefix): boolean {
  if (family !== (target.version === 4 ? 'ipv4' : 'ipv6')) return false;
  return destination === 'default' || IpPrefix.of(destination).contains(target);
}

function lengthOf({ destination }: Route): number {
  return destination === 'default' ? 0 : IpPrefix.of(destination).length;
}
