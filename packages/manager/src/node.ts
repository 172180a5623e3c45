// The parts of one manager that the stories of a request share, wired together once in manager.ts.

import { type forwarder as fw, type NetworkServiceEndpoint, NsmError, type TunnelType } from '@nsm/api';
import { endpointKey, type Registry } from '@nsm/registry';
import type { Logger } from 'pino';
import type { AddressPools } from './addresses/address-pools.js';
import type { Identifiers } from './addresses/identifiers.js';
import type { Forwarder, NamespaceGuard } from './admission/namespace-guard.js';
import type { EndpointHealth } from './choice/endpoint-health.js';
import type { Lacking } from './choice/lacking.js';
import type { Joins } from './choice/negotiation.js';
import type { Pools } from './choice/physical-networks.js';
import type { Surroundings } from './choice/selection.js';
import type { TunnelOffers } from './choice/tunnel-offers.js';
import type { MendPace } from './life/mend-pace.js';
import type { OwnerWatch } from './life/owner-watch.js';
import type { Rarely } from './life/rarely.js';
import type { LocalEndpoints } from './others/local-endpoints.js';
import type { PeerManagers } from './others/peer-managers.js';
import type { FaultInjector } from './request/transaction.js';
import type { Connection } from './state/connection.js';
import type { ConnectionTable } from './state/connection-table.js';
import type { KeyedMutex } from './state/keyed-mutex.js';

/** Milliseconds for which the registry takes a silent manager to be alive. */
export const lease = 10_000;

export interface Node {
  readonly name: string;
  /** Another one after each start. */
  readonly incarnation: string;
  /** MANAGER:NODE-, what the ids of all connections on this node begin with. */
  readonly idPrefix: string;
  /** Inode of the network namespace that this manager's own connections are in. */
  readonly namespaceInode: number;
  readonly forwarder: Forwarder;
  /** What the forwarder can join. */
  readonly joins: Joins;
  /** What it cannot do, and why. */
  readonly lacking: Lacking;
  /** Physical networks whose devices this node can give to pods. */
  readonly physical: Pools;
  readonly registry: Registry;
  readonly guard: NamespaceGuard;
  readonly endpoints: LocalEndpoints;
  readonly connections: ConnectionTable;
  readonly mutex: KeyedMutex;
  /** Ids of connections that this manager is asking another for just now: their halves there are not orphans. */
  readonly asking: Set<string>;
  /** Ids of connections that are being tried to heal. */
  readonly healing: Set<string>;
  /** How soon what somebody changes is mended. */
  readonly mendPace: MendPace;
  /** What the log has been told. */
  readonly rarely: Rarely;
  /** When connections that are not to be mended at once are, on the monotonic clock in milliseconds, by id. */
  readonly mendingLater: Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>;
  readonly pools: AddressPools;
  readonly identifiers: Identifiers;
  readonly offers: TunnelOffers;
  /** Called when links, addresses or routes of the node may lead to other nodes in another way. */
  readonly underlayChanged: Set<() => void>;
  readonly peers: PeerManagers;
  readonly health: EndpointHealth;
  readonly owners: OwnerWatch;
  readonly logger: Logger;
  /** Resolves when what was there before the last restart has been looked for: endpoints, connections and their interfaces. */
  readonly recovered: Promise<void>;
  /** Aborts when the manager stops. */
  readonly stopping: AbortSignal;
  /** Address that other managers call, HOST:PORT. */
  advertise: string;
  /** Its endpoints are out of service, by an operator's wish, until that is undone or the manager restarts. */
  drained: boolean;
  /**
   * The only tunnel types to use by network service, in order of preference; under '' those for services without their own.
   * Without either: whatever the forwarder can do, in its order.
   */
  readonly tunnels: ReadonlyMap<string, readonly TunnelType[]>;
  /** Prefixes configured by network service; under '' those for services without their own. */
  readonly prefixes: ReadonlyMap<string, readonly string[]>;
  /** Milliseconds a whole request may take. */
  readonly requestTimeout: number;
  /** Milliseconds between two looks at whether packets come back from each other node. */
  readonly probeInterval: number;
  readonly faults?: FaultInjector;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/** What the choice of an endpoint for a service depends on at this moment. */
export function surroundings(node: Node, service: string): Surroundings {
  return {
    manager: node.name,
    drained: node.drained,
    joins: node.joins,
    lacking: node.lacking,
    endpoints: endpointsOf(node, service),
    managers: node.registry.managers(),
    connections: (endpoint) => node.connections.countOf(endpoint),
    recentFailure: (endpoint) => node.health.recentFailure(endpoint),
    lastChosen: (endpoint) => node.health.lastChosen(endpoint),
  };
}

/**
 * Those of the registry, without those of this node that are leaving; while it is away also those of this node that it has not
 * heard of yet.
 */
export function knownEndpoints({ registry, endpoints }: Node): readonly NetworkServiceEndpoint[] {
  const heard = [...registry.endpoints()].filter((record) => !endpoints.isLeaving(record));
  return withUnheard(heard, registry.synced ? [] : endpoints.records());
}

/** As `knownEndpoints`, of one network service. */
export function endpointsOf(
  { registry, endpoints }: Node,
  service: string,
): readonly NetworkServiceEndpoint[] {
  const own = registry.synced ? [] : endpoints.records();
  return withUnheard(
    registry.endpointsOf(service).filter((record) => !endpoints.isLeaving(record)),
    own.filter(({ networkServiceName }) => networkServiceName === service),
  );
}

function withUnheard(
  heard: readonly NetworkServiceEndpoint[],
  own: readonly NetworkServiceEndpoint[],
): readonly NetworkServiceEndpoint[] {
  if (own.length === 0) return heard;
  const keys = new Set(heard.map(endpointKey));
  return [...heard, ...own.filter((record) => !keys.has(endpointKey(record)))];
}

export function knownServices(node: Node): Set<string> {
  return new Set(knownEndpoints(node).map(({ networkServiceName }) => networkServiceName));
}

/**
 * HOST:PORT of a manager.
 * @throws NsmError `manager-unreachable` when it is not registered.
 */
export function addressOf({ registry }: Node, manager: string): string {
  const record = registry.managers().get(manager);
  if (!record) throw new NsmError('manager-unreachable', `manager "${manager}" is not registered`);
  return record.address;
}

/** The client's network namespace as it is now; undefined when it is gone, and another may have its inode. */
export async function clientNamespace(
  { forwarder }: Node,
  { crossConnect }: Connection,
): Promise<fw.Namespace | undefined> {
  const { inode, cookie } = crossConnect.client?.namespace ?? {};
  if (inode === undefined) return undefined;
  try {
    const { namespace } = await forwarder.inspectNamespace({ linuxNamespace: String(inode) });
    return namespace?.cookie === cookie ? namespace : undefined;
  } catch (thrown) {
    if (NsmError.from(thrown).kind === 'namespace-unknown') return undefined;
    throw thrown;
  }
}
