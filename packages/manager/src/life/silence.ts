// A node from which no packets come back: its clients go to other endpoints where there are any, and else keep what they
// have until packets come back.
import { InterfaceType, NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { rankEndpoints } from '../choice/selection.js';
import { type Node, surroundings } from '../node.js';
import { declareUp } from '../request/programming.js';
import type { Connection } from '../state/connection.js';
import { rebuild } from './healing.js';

/** Milliseconds within which a packet must come back. */
const answerWithin = 1000;
/** So many connections to one node stand for all: they share its fate. */
const samples = 4;

/** Asks whether packets come back to clients of this node from one other node, and does what follows from it. */
export async function probeClients(node: Node, connections: readonly Connection[]): Promise<void> {
  const clients = connections.filter(hasInterface);
  if (clients.length === 0) return;
  const answers = await Promise.all(
    clients.slice(0, samples).map((connection) => answered(node, connection)),
  );
  const alive = answers.includes(true);
  for (const { id } of clients) {
    const connection = node.connections.byId(id);
    if (!connection || !hasInterface(connection)) continue;
    if (!alive) unanswered(node, connection);
    else if (connection.state.kind === 'HEALING') declareUp(node, connection);
  }
}

/** Packets of this client do not come back. */
export function unanswered(node: Node, connection: Connection): void {
  const { id, peer, state } = connection;
  const reason = `no packets come back from node ${peer?.manager}`;
  const { current, others } = candidates(node, connection);
  if (current) node.health.failed(current, reason);
  if (others.length > 0) rebuild(node, connection, reason);
  else if (state.kind === 'UP') {
    node.logger.warn({ connection: id, reason }, 'waiting, as no other endpoint can take its client');
    const waiting = `${reason}; waiting, as no other endpoint can take its client`;
    node.connections.changeState(connection, { kind: 'HEALING', reason: waiting, attempt: 0, kept: true });
  }
}

/** A client's that the kernel drives, up or waiting; while it is being made anew there is nothing to ask. */
function hasInterface({ role, state, crossConnect }: Connection): boolean {
  const type = crossConnect.client?.type;
  const driven = type !== InterfaceType.MEM_INTERFACE && type !== InterfaceType.VHOST_INTERFACE;
  const present = state.kind === 'UP' || (state.kind === 'HEALING' && state.kept === true);
  return role === 'CLIENT' && driven && present;
}

/** An interface that is not there does not answer either. */
async function answered(node: Node, { crossConnect }: Connection): Promise<boolean> {
  try {
    return (await node.forwarder.probe({ crossConnect, timeoutMs: answerWithin })).answered;
  } catch (thrown) {
    // A forwarder that is away proves nothing.
    return NsmError.from(thrown).kind !== 'dataplane';
  }
}

function candidates(node: Node, { request, service, endpoint, peer }: Connection) {
  const wanted = { service, labels: request?.labels, interfaces: request?.interface ?? [] };
  const ranked = rankEndpoints(wanted, surroundings(node, service)).filter(({ usable }) => usable);
  const { name, namespace } = endpoint;
  const key = endpointKey({
    networkServiceName: service,
    nseProviderName: name,
    nseProviderNamespace: namespace,
  });
  return {
    current: node.registry.endpointsOf(service).find((record) => endpointKey(record) === key),
    others: ranked.filter(
      ({ endpoint: other }) =>
        other.networkServiceHost !== peer?.manager && node.health.recentFailure(other) === undefined,
    ),
  };
}
