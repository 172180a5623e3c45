// What a manager does first: find its connections again, and remove what no longer belongs to any.
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { declareUp } from '../request/programming.js';
import type { Connection } from '../state/connection.js';
import type { Store } from '../state/store.js';
import { closeConnection } from './closing.js';
import { heal, rebuild } from './healing.js';
import { compare } from './mending.js';
import { removeStrays } from './strays.js';

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
  const found = await removeStrays(node);
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
  const { state, role } = present;
  if (state.kind === 'CLOSING') return await closeConnection(node, present, state.reason, state);
  const kept = state.kind === 'HEALING' && state.kept;
  if (state.kind === 'HEALING' && !kept) return heal(node, present.id, state.reason);
  try {
    // What had not answered when this manager ended must do so now, before it may take another's place.
    if (state.kind === 'CONNECTING') {
      const { answerWithinMs } = present.crossConnect;
      declareUp(node, await compare(node, present, { answerWithinMs }));
    }
    const up = node.connections.byId(present.id) ?? present;
    node.owners.hold(await compare(node, up));
  } catch (thrown) {
    const reason = `not found again after a restart: ${NsmError.from(thrown).message}`;
    // Hardly anybody was told yet of one that was still being made.
    if (node.connections.byId(present.id)?.state.kind === 'CONNECTING')
      await closeConnection(node, present, reason, { reconnect: role === 'ENDPOINT' });
    else rebuild(node, present, reason);
  }
}
