// Connections as operators are told of them.
import type { Message, MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { admin, forwarder as fw } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { throughConnection } from '../inspection/ping.js';
import { forEachLimited } from '../limited-concurrency.js';
import { type Connection, detailOf, isInPlace, stateOf } from '../state/connection.js';
import type { ServiceComponents } from './components.js';
import { withinPatience } from './within-patience.js';

/** Milliseconds within which the other side of a connection must answer a measurement. */
const answersWithinMs = 500;
/** Connections that are measured at the same time: the forwarder's looks for one answer hold up those for another. */
const measuredAtOnce = 4;

type ConnectionInit = Exclude<MessageInitShape<typeof admin.ConnectionSchema>, Message>;

/** @param roundTripUs where it was measured. */
export async function inFull(
  components: Pick<
    ServiceComponents,
    'connections' | 'forwarder' | 'narrowWays' | 'offers' | 'pods' | 'self'
  >,
  connection: Connection,
  roundTripUs = 0,
): Promise<ConnectionInit> {
  const { crossConnect } = connection;
  // An interface that has just gone has no counters; the connection's state says why.
  const statistics = await withinPatience(components.forwarder.getStatistics({ crossConnect })).catch(
    () => undefined,
  );
  const past = components.connections.histories.of(connection.id);
  const history = past.states.map(({ time, state, detail }, index, states) => ({
    time: timestampFromMs(time),
    state,
    detail,
    durationMs: (states[index + 1]?.time ?? time) - time,
  }));
  const course = components.connections.histories.courseOf(connection.id);
  const narrow = await narrowWayOf(components, connection);
  return {
    ...adminConnection(components, connection),
    history,
    heals: past.heals,
    knownSince: timestampFromMs(past.since),
    roundTripUs,
    ...(course ? { lastOrder: orderOf(course, components.self.name) } : {}),
    ...(statistics ? { statistics } : {}),
    ...(narrow ? { narrowWay: narrow } : {}),
  };
}

/** The way to the other node with the MTU that it has in truth, as far as the packets of a pod show. */
async function narrowWayOf(
  { narrowWays, offers }: Pick<ServiceComponents, 'narrowWays' | 'offers'>,
  connection: Connection,
): Promise<MessageInitShape<typeof admin.NarrowWaySchema> | undefined> {
  const carries = narrowWays.carriesOf(connection);
  const { type, remote = '' } = connection.crossConnect.tunnel ?? {};
  if (carries === undefined) return undefined;
  // Without a route the connection's state says what is wrong.
  const { way, tunnels } = await offers.to(remote).catch(() => ({ way: undefined, tunnels: [] }));
  const offered = tunnels.find((one) => one.type === type)?.parameters?.mtu;
  if (!way || offered === undefined) return { carries };
  return { carries, way: { ...way, mtu: carries + way.mtu - offered } };
}

/** @param manager the own name. */
function orderOf(course: Course, manager: string): MessageInitShape<typeof admin.OrderSchema> {
  const failed = course.isOver ? undefined : course.list.findLast(({ error }) => error)?.error;
  return {
    traceId: course.traceId,
    kind: course.kind,
    started: timestampFromMs(course.startedAt),
    durationMs: course.durationMs,
    steps: course.report('manager', manager),
    error: course.error?.toAdmissionError() ?? failed ?? '',
    underWay: !course.isOver,
  };
}

/** Of each connection that is in place and has a device: microseconds until the other side answers, 0 where it does not. */
export async function roundTripsOf(
  components: Pick<ServiceComponents, 'forwarder'>,
  connections: readonly Connection[],
): Promise<ReadonlyMap<string, number>> {
  const measured = new Map<string, number>();
  const measure = async (connection: Connection): Promise<void> => {
    const answer = throughConnection(components, connection, answersWithinMs);
    const { answered, roundTripMs } = await withinPatience(answer);
    if (answered) measured.set(connection.id, Math.max(1, Math.round(roundTripMs * 1000)));
  };
  // What has no device to send by, or has just lost it, has no round trip.
  await forEachLimited(
    connections.filter(isInPlace),
    (connection) => measure(connection).catch(() => undefined),
    measuredAtOnce,
  );
  return measured;
}

/** Routes of one side that are told, where a side has thousands: all connections of a node go into one reply. */
const maxRoutesTold = 64;

function withFewRoutes<T extends { readonly route: readonly string[] }>(parameters: T) {
  return { ...parameters, route: parameters.route.slice(0, maxRoutesTold) };
}

function portWithFewRoutes(port: fw.Port): fw.Port {
  return { ...port, routes: port.routes.slice(0, maxRoutesTold) };
}

export function adminConnection(
  { pods }: Pick<ServiceComponents, 'pods'>,
  connection: Connection,
): ConnectionInit {
  const { phase, crossConnect, clientParameters, endpointParameters } = connection;
  const { client, endpoint } = crossConnect;
  const podAt = (port: fw.Port | undefined): string => {
    const { namespace = '', name = '' } = pods?.podIn(port?.namespace?.inode ?? 0)?.facts ?? {};
    return name && `${namespace}/${name}`;
  };
  return {
    id: connection.id,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    role: connection.role,
    state: stateOf(connection),
    detail: detailOf(connection),
    attempt: 'attempt' in phase ? phase.attempt : 0,
    nseProviderName: connection.endpoint.name,
    nseProviderNamespace: connection.endpoint.namespace || 'default',
    peerManager: connection.peer?.manager ?? connection.id.slice(0, connection.id.lastIndexOf(':')),
    interface: connection.interface,
    connectionParameters: withFewRoutes(clientParameters),
    endpointParameters: withFewRoutes(endpointParameters),
    crossConnect: {
      ...crossConnect,
      ...(client ? { client: portWithFewRoutes(client) } : {}),
      ...(endpoint ? { endpoint: portWithFewRoutes(endpoint) } : {}),
    },
    clientRoutes: clientParameters.route.length,
    endpointRoutes: endpointParameters.route.length,
    peerConnectionId: connection.peer?.connectionId ?? '',
    clientPod: podAt(client),
    endpointPod: podAt(endpoint),
    since: timestampFromMs(connection.since),
  };
}
