// What the default route of a connection may not take from a pod: packets to the cluster, and answers to what came in by another
// interface. Read from the kernel each time, and so the same after a restart, and for any number of connections.
import type { forwarder as fw } from '@nsm/api';
import {
  type Family,
  IpPrefix,
  type Route,
  type RouteSocket,
  type RouteSpec,
  type Rule,
  type RuleSpec,
} from '@nsm/netlink';
import { explain } from '../explain.js';
import { OpenPort } from '../port/open-port.js';
import { ownProtocol } from './device-routes.js';
import { clusterMetric, firstKeeperMetric, keepRoutes } from './keep-routes.js';

/** Rules of the pod's own are looked at before, and the main table as a whole after (32766). */
const priority = 32_078;

/** One table for each interface with a default route, numbered by the interface's index. */
const firstTable = 78_000_000;
const tables = 1_000_000;

/** Whether a connection may take packets from where they go now; so may one of which nothing but its interface is known. */
export function mayTake({ addresses, routes }: fw.Port, cluster: readonly string[] = []): boolean {
  if (addresses.length + routes.length === 0) return true;
  const kept = cluster.map(IpPrefix.of);
  return routes.some(({ destination }) => {
    const route = IpPrefix.of(destination);
    return route.length <= 1 || (!route.isHost && kept.some((prefix) => route.overlaps(prefix)));
  });
}

/** The routes that `device` is about to get. */
interface Coming {
  readonly device: number;
  readonly routes: readonly RouteSpec[];
}

/**
 * Where a connection has a default route: everything but default routes is looked up as before; then what is sent from an address
 * of an interface with a default route leaves by that interface. Without such a connection there is nothing of all this.
 * @param cluster prefixes that stay on the pod's own way; undefined while they are not known: then the prefixes that are kept already stay.
 * @returns what was missing, in words. @throws NetlinkError
 */
export function routePod(
  socket: RouteSocket,
  cluster: readonly string[] | undefined,
  coming?: Coming,
): string[] {
  const all = socket.routes({ table: 'all' }).filter(({ type }) => type === 'unicast');
  const main = all.filter(({ table }) => table === 'main');
  const keepers = main.filter(({ protocol, metric }) => protocol === ownProtocol && metric === clusterMetric);
  const { added } = keepRoutes(socket, main, {
    destinations: (cluster ?? keepers.map(({ destination }) => destination)).map(IpPrefix.of),
    metric: clusterMetric,
    isTheirs,
    coming: coming?.routes ?? [],
  });
  const exits = exitsOf(main, coming);
  const done = [
    ...bringTables(socket, all.filter(isInOwnTable), exits.map(tableRoute)),
    ...bringRules(socket, exits),
  ];
  return [...added, ...done];
}

/**
 * Once the interfaces of connections have gone: what kept packets from them goes with the last that needed it.
 * @throws NsmError
 */
export function routeWithout(
  crossConnects: readonly fw.CrossConnect[],
  cluster: readonly string[] | undefined,
): void {
  const ports = crossConnects
    .flatMap(({ client, endpoint }) => [client, endpoint])
    .filter((port) => port?.namespace !== undefined && mayTake(port, cluster)) as fw.Port[];
  for (const port of new Map(ports.map((one) => [one.namespace?.inode, one])).values()) {
    try {
      using open = new OpenPort(port);
      routePod(open.socket, cluster);
    } catch (error) {
      const explained = explain(error);
      if (explained.kind !== 'namespace-unknown') throw explained;
    }
  }
}

/** A default route by one interface. */
interface Exit {
  readonly family: Family;
  readonly device: number;
  readonly gateway: string | undefined;
  readonly onlink: boolean;
}

/** No rules in a family in which no connection has a default route, or nothing else has. */
function exitsOf(main: readonly Route[], coming: Coming | undefined): Exit[] {
  const defaults = main.filter((route) => isDefault(route) && !isKeeper(route));
  const arriving = (coming?.routes ?? []).filter(isDefault).map((route) => ({
    family: familyOf(route),
    device: coming?.device,
    gateway: route.gateway,
    onlink: route.onlink ?? false,
    multipath: [],
  }));
  const families = new Set([...defaults.filter(isTheirs), ...arriving].map(({ family }) => family));
  const exits = new Map<string, Exit>();
  // The halves of one default route lead the same way.
  for (const { family, multipath, ...only } of [...arriving, ...defaults])
    for (const { device = 0, gateway, onlink = false } of multipath.length > 0 ? multipath : [only])
      if (families.has(family) && !exits.has(`${family} ${device}`))
        exits.set(`${family} ${device}`, { family, device, gateway, onlink });
  const all = [...exits.values()];
  return all.filter((one) => all.some((other) => other.family === one.family && other !== one));
}

function tableRoute({ family, device, gateway, onlink }: Exit): RouteSpec & { table: number } {
  const table = firstTable + (device % tables);
  return { destination: 'default', family, device, gateway, onlink, table, protocol: ownProtocol };
}

function bringTables(
  socket: RouteSocket,
  present: readonly Route[],
  wanted: readonly (RouteSpec & { table: number })[],
): string[] {
  const key = ({ family, table, gateway = '', device }: RouteSpec): string =>
    `${family} ${table} ${gateway} ${device}`;
  const missing = new Map(wanted.map((route) => [key(route), route]));
  const surplus = present.filter((route) => !missing.delete(key(route)));
  for (const { destination, family, table, device, gateway } of surplus)
    socket.deleteRoute({ destination, family, table, device, gateway });
  for (const route of missing.values()) socket.addRoute(route, 'replace');
  return [...missing.values()].map(({ table }) => `in table ${table}`);
}

function bringRules(socket: RouteSocket, exits: readonly Exit[]): string[] {
  const common = { protocol: ownProtocol } as const;
  const wanted: (RuleSpec & { family: Family })[] = [];
  for (const family of new Set(exits.map((exit) => exit.family)))
    wanted.push({ ...common, family, priority, table: 'main', suppressPrefixLength: 1 });
  for (const exit of exits) {
    const { family, device } = exit;
    const { table } = tableRoute(exit);
    for (const { address, scope } of socket.addresses({ index: device, family })) {
      if (scope !== 'global') continue;
      const from = String(IpPrefix.of(address).host);
      wanted.push({ ...common, family, priority: priority + 1, from, table });
    }
  }
  const key = ({
    family,
    priority: at,
    from = '',
    table,
    suppressPrefixLength = -1,
  }: Rule | RuleSpec): string => `${family} ${at} ${from} ${table} ${suppressPrefixLength}`;
  const missing = new Map(wanted.map((rule) => [key(rule), rule]));
  const surplus = socket
    .rules()
    .filter(({ protocol, priority: at }) => protocol === ownProtocol && at >= priority && at <= priority + 1)
    .filter((rule) => !missing.delete(key(rule)));
  for (const rule of missing.values()) socket.addRule(rule);
  for (const { family, priority: at, from, table, suppressPrefixLength } of surplus)
    socket.deleteRule({ family, priority: at, from, table, suppressPrefixLength });
  return [...missing.values()].map(({ from = 'all' }) => `for what is sent from ${from}`);
}

/** A connection's. */
function isTheirs({ protocol, metric }: Route): boolean {
  return protocol === ownProtocol && !isKeeper({ protocol, metric });
}

function isKeeper({ protocol, metric = 0 }: Pick<Route, 'protocol' | 'metric'>): boolean {
  return protocol === ownProtocol && metric >= firstKeeperMetric && metric <= clusterMetric;
}

/** Whole, or one of its halves. */
export function isDefault({ destination }: Pick<RouteSpec, 'destination'>): boolean {
  return destination === 'default' || IpPrefix.of(destination).length <= 1;
}

function familyOf({ destination, family }: RouteSpec): Family {
  return family ?? (IpPrefix.of(destination).version === 4 ? 'ipv4' : 'ipv6');
}

function isInOwnTable({ table }: Route): boolean {
  return typeof table === 'number' && table >= firstTable && table < firstTable + tables;
}
