// What a manager tells of a connection.

import { statSync } from 'node:fs';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { type admin, type ConnectionParameters, type forwarder, interfaceName, tunnelName } from '@nsm/api';

export interface TunnelView {
  readonly type: string;
  readonly local: string;
  readonly remote: string;
  /** VNI, GRE key or MPLS label. */
  readonly identifier: number;
  readonly port: number;
}

export function tunnelView(tunnel: forwarder.TunnelEnd): TunnelView {
  const { type, local, remote, identifier, port } = tunnel;
  return { type: tunnelName(type), local, remote, identifier, port };
}

export interface ConnectionView {
  readonly id: string;
  readonly service: string;
  readonly requestId: string;
  readonly role: string;
  /** CONNECTING, SYNCED, STALE, HEALING, FAILED or CLOSING. */
  readonly state: string;
  readonly detail: string;
  /** When it entered its state. */
  readonly since: string | null;
  /** Attempt to heal it; 0: none. */
  readonly attempt: number;
  /** When it was made, or entered the state in which it was found, where that is all that is known. */
  readonly knownSince: string | null;
  /** Times that it was healed. */
  readonly heals: number;
  /** Microseconds; null where it was not measured, or the other side does not answer. */
  readonly roundTripUs: number | null;
  /** States it was in, the latest last. */
  readonly history: readonly PastStateView[];
  /** What the last order that changed it went through; null after a restart of the manager. */
  readonly lastOrder: OrderView | null;
  readonly endpoint: string;
  readonly endpointNamespace: string;
  readonly peerManager: string;
  /** Of the other half, at that manager; '' on one node. */
  readonly peerId: string;
  readonly interface: string;
  readonly client: SideView;
  readonly endpointSide: SideView;
  readonly tunnel: TunnelView | null;
  /** Null where packets as large as the MTU come back, and where nothing is known of it. */
  readonly narrow: NarrowView | null;
  readonly statistics: StatisticsView | null;
}

/** Packets that are larger do not come back from the other node, though the MTU allows them. */
export interface NarrowView {
  /** Bytes of the pod's largest packet that came back. */
  readonly carries: number;
  /** The way of the tunnel's packets, and the MTU that it should have; device '' and 0 where that is not known. */
  readonly device: string;
  readonly via: string;
  readonly underlayMtu: number;
}

export interface PastStateView {
  readonly time: string | null;
  readonly state: string;
  readonly detail: string;
  /** Milliseconds for which it was in that state; null: it still is. */
  readonly durationMs: number | null;
}

export interface OrderView {
  readonly traceId: string;
  /** connect, heal, close, move or mend. */
  readonly kind: string;
  readonly started: string | null;
  readonly durationMs: number;
  readonly underWay: boolean;
  readonly error: string;
  readonly steps: readonly StepView[];
}

export interface StepView {
  readonly name: string;
  readonly manager: string;
  /** manager, forwarder or endpoint. */
  readonly component: string;
  /** Milliseconds since the order began. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly error: string;
}

/** One end of a connection; of the end on another node only the parameters are known. */
export interface SideView {
  readonly interfaceName: string;
  readonly namespace: string;
  /** NAMESPACE/NAME of its pod, where Kubernetes runs it. */
  readonly pod: string;
  readonly addresses: readonly string[];
  /** Of thousands the first. */
  readonly routes: readonly string[];
  /** How many there are. */
  readonly routeCount: number;
  readonly dns: readonly string[];
  readonly mtu: number;
  readonly mac: string;
}

export interface StatisticsView {
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly receivedDrops: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly sentDrops: number;
  /** Why, where it is known. */
  readonly drops: Readonly<Record<string, number>>;
}

/** SYNCED: all is as wanted. STALE: something undoes what is mended. HEALING: it is being mended. FAILED: it cannot be, for the reason told; it is tried again. */
function stateWord(state: string): string {
  return state === 'UP' ? 'SYNCED' : state;
}

export function connectionView(connection: admin.Connection): ConnectionView {
  const { crossConnect, statistics, since } = connection;
  return {
    id: connection.id,
    service: connection.networkServiceName,
    requestId: connection.requestId,
    role: connection.role,
    state: stateWord(connection.state),
    detail: connection.detail,
    since: timeText(since),
    attempt: connection.attempt,
    knownSince: timeText(connection.knownSince),
    heals: connection.heals,
    roundTripUs: connection.roundTripUs || null,
    history: connection.history.map(({ time, state, detail, durationMs }, index, { length }) => ({
      time: timeText(time),
      state: stateWord(state),
      detail,
      durationMs: index === length - 1 ? null : durationMs,
    })),
    lastOrder: connection.lastOrder ? orderView(connection.lastOrder) : null,
    endpoint: connection.nseProviderName,
    endpointNamespace: connection.nseProviderNamespace || 'default',
    peerManager: connection.peerManager,
    peerId: connection.peerConnectionId,
    interface: interfaceName(connection.interface?.type ?? 0),
    client: {
      ...sideView(connection.connectionParameters, crossConnect?.client, connection.clientRoutes),
      pod: connection.clientPod,
    },
    endpointSide: {
      ...sideView(connection.endpointParameters, crossConnect?.endpoint, connection.endpointRoutes),
      pod: connection.endpointPod,
    },
    tunnel: crossConnect?.tunnel ? tunnelView(crossConnect.tunnel) : null,
    narrow: connection.narrowWay ? narrowView(connection.narrowWay) : null,
    statistics: statistics ? statisticsView(statistics) : null,
  };
}

function narrowView({ carries, way }: admin.NarrowWay): NarrowView {
  return { carries, device: way?.device ?? '', via: way?.via ?? '', underlayMtu: way?.mtu ?? 0 };
}

export function orderView({
  traceId,
  kind,
  started,
  durationMs,
  underWay,
  error,
  steps,
}: admin.Order): OrderView {
  return {
    traceId,
    kind,
    started: timeText(started),
    durationMs,
    underWay,
    error,
    steps: steps.map(({ name, manager, component, startMs, durationMs: took, error: why }) => ({
      name,
      manager,
      component,
      startMs,
      durationMs: took,
      error: why,
    })),
  };
}

function timeText(time: Timestamp | undefined): string | null {
  return time ? timestampDate(time).toISOString() : null;
}

function sideView(
  parameters: ConnectionParameters | undefined,
  port: forwarder.Port | undefined,
  routeCount: number,
): Omit<SideView, 'pod'> {
  const routes = parameters?.route.length
    ? parameters.route
    : (port?.routes ?? []).map((route) => route.destination);
  const given = parameters?.addresses.length ? parameters.addresses : [parameters?.address ?? ''];
  return {
    interfaceName: deviceName(parameters?.interfaceName || port?.name || ''),
    namespace: port?.namespace ? namespaceName(port.namespace) : '',
    addresses: (port?.addresses.length ? port.addresses : given).filter((address) => address !== ''),
    routes,
    routeCount: Math.max(routeCount, routes.length),
    dns: parameters?.dns?.servers ?? [],
    mtu: parameters?.mtu || port?.mtu || 0,
    mac: parameters?.mac || port?.mac || '',
  };
}

/** Until the kernel has chosen a number there is only a pattern, `nsm%d`. */
function deviceName(name: string): string {
  return name.includes('%') ? '' : name;
}

/** The path that a network namespace was named by, as long as it leads there: a process may have ended since. */
function namespaceName({ path, inode }: forwarder.Namespace): string {
  try {
    if (statSync(path).ino === inode) return path;
  } catch {
    // It leads nowhere, or not for this user.
  }
  return `net:[${inode}]`;
}

// Counters beyond 2^53 would take a century at 100 Gbit/s of full frames.
function statisticsView(statistics: forwarder.Statistics): StatisticsView {
  return {
    receivedPackets: Number(statistics.receivedPackets),
    receivedBytes: Number(statistics.receivedBytes),
    receivedDrops: Number(statistics.receivedDrops),
    sentPackets: Number(statistics.sentPackets),
    sentBytes: Number(statistics.sentBytes),
    sentDrops: Number(statistics.sentDrops),
    drops: Object.fromEntries(
      Object.entries(statistics.drops).map(([reason, count]) => [reason, Number(count)]),
    ),
  };
}
