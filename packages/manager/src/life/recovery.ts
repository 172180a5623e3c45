// What a manager does first: find its connections again, and remove what no longer belongs to any.
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { declareUp } from '../request/programming.js';
import type { Connection } from '../state/connection.js';
import type { Store } from '../state/store.js';
import { closeConnection } from './closing.js';
import { heal, rebuild } from './healing.js';
import { compare } from './mending.js';

/** Packets of connections that are intact keep flowing meanwhile: nothing of theirs is touched. */
export async function recover(node: Node, store: Store): Promise<void> {
  const connections = store.connections();
  for (const connection of connections) {
    const { pairs, tunnel } = connection;
    for (const { prefix } of pairs) node.pools.restore(prefix);
    if (tunnel) node.identifiers.take(tunnel.identifier);
    node.connections.restore(connection);
  }
  await node.endpoints.restore();
  const found = await sweep(node, new Set(connections.map(({ id }) => id)));
  await Promise.all(
    connections.map((connection) =>
      node.mutex.run(connection.key, () =>
        store.doubtful && connection.state.kind === 'UP' && !found.has(connection.id)
          ? closeConnection(node, connection, 'its record is doubtful, and the kernel has nothing of it')
          : resume(node, connection),
      ),
    ),
  );
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
    if (present.state.kind === 'CONNECTING') await closeConnection(node, present, reason);
    else rebuild(node, present, reason);
  }
}

/**
 * Removes interfaces of this manager on this node that belong to no connection.
 * @returns the ids of those it found.
 */
async function sweep(node: Node, known: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const { interfaces } = await node.forwarder.list({ idPrefix: node.idPrefix });
  const found = new Set(interfaces.map(({ id }) => id));
  const strays = interfaces.filter(({ id }) => !known.has(id));
  if (strays.length === 0) return found;
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
  return found;
}
