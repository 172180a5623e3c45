// What a manager does first: find its connections again, and remove what no longer belongs to any.
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { declareUp } from '../request/programming.js';
import { replace, withoutPairsOf } from '../request/settling.js';
import type { Connection } from '../state/connection.js';
import type { Store } from '../state/store.js';
import { closeConnection } from './closing.js';
import { heal, rebuild } from './healing.js';
import { compare } from './mending.js';

/** Packets of connections that are intact keep flowing meanwhile: nothing of theirs is touched. */
export async function recover(node: Node, store: Store): Promise<void> {
  const connections = store.connections();
  for (const { pairs, tunnel } of connections) {
    for (const { prefix } of pairs) node.pools.restore(prefix);
    if (tunnel) node.identifiers.take(tunnel.identifier);
  }
  for (const connection of connections) await node.connections.put(connection);
  await node.endpoints.restore();
  await sweep(node, new Set(connections.map(({ id }) => id)));
  await Promise.all(
    connections.map((connection) => node.mutex.run(connection.key, () => resume(node, connection))),
  );
  await Promise.all(
    [...new Set(connections.map(({ key }) => key))].map((key) =>
      node.mutex.run(key, () => endReplacing(node, key)),
    ),
  );
}

/** Without what belongs to the connection that it was to replace as well. */
function alone(node: Node, connection: Connection): Connection {
  return node.connections
    .byRequest(connection.requestId, connection.service)
    .filter(({ id, key }) => id !== connection.id && key === connection.key)
    .reduce(withoutPairsOf, connection);
}

/** Of a connection and the one that was to replace it one stays: the new one when it carries packets, else the old one. */
async function endReplacing(node: Node, key: string): Promise<void> {
  const newest = node.connections.byKey(key);
  if (!newest || newest.state.kind === 'CLOSING') return;
  const older = node.connections
    .byRequest(newest.requestId, newest.service)
    .filter(({ key: other, generation, state }) => {
      return other === key && generation < newest.generation && state.kind !== 'CLOSING';
    });
  const [before] = older;
  if (!before) return;
  try {
    if (newest.state.kind === 'UP') await replace(node, newest, before, 'replaced before a restart');
    else
      await closeConnection(
        node,
        withoutPairsOf(newest, before),
        'it was to replace another before a restart',
      );
  } catch (error) {
    node.logger.error({ connection: newest.id, err: error }, 'a replacement was not completed');
  }
}

async function resume(node: Node, connection: Connection): Promise<void> {
  const present = node.connections.byId(connection.id);
  // The endpoint may have been found dead, and the connection closed, a moment ago.
  if (!present) return;
  if (present.state.kind === 'CLOSING') return await closeConnection(node, present, present.state.reason);
  const kept = present.state.kind === 'HEALING' && present.state.kept;
  if (present.state.kind === 'HEALING' && !kept) return heal(node, present.id, present.state.reason);
  try {
    // What had not answered when this manager ended must do so now.
    const { answerWithinMs } = present.crossConnect;
    const asked = present.state.kind === 'CONNECTING' ? { answerWithinMs } : {};
    const found = await compare(node, present, asked);
    node.owners.hold(found);
    if (present.state.kind === 'CONNECTING') declareUp(node, found);
  } catch (thrown) {
    const reason = `not found again after a restart: ${NsmError.from(thrown).message}`;
    // Nobody was told yet of one that was still being made.
    if (present.state.kind === 'CONNECTING') await closeConnection(node, alone(node, present), reason);
    else rebuild(node, present, reason);
  }
}

/** Removes interfaces of this manager on this node that belong to no connection. */
async function sweep(node: Node, known: ReadonlySet<string>): Promise<void> {
  const { interfaces } = await node.forwarder.list({ idPrefix: node.idPrefix });
  const strays = interfaces.filter(({ id }) => !known.has(id));
  if (strays.length === 0) return;
  node.logger.warn(
    { interfaces: strays.map(({ id, name }) => ({ id, name })) },
    'removing interfaces that belong to no connection',
  );
  await node.forwarder.remove({
    crossConnects: strays.map(({ id, namespace }) => ({
      id,
      ...(namespace ? { client: { namespace } } : {}),
    })),
  });
}
