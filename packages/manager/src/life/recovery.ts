// What a manager does first: find its connections again, and remove what no longer belongs to any.
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { declareUp } from '../request/programming.js';
import { type Connection, isKept } from '../state/connection.js';
import type { Store } from '../state/store.js';
import { closeSoon } from './closing.js';
import { heal, rebuild } from './healing.js';
import { compare, mend } from './mending.js';
import { removeStrays } from './strays.js';

/**
 * Reads what was written down. Before any other manager is listened to: it makes anew, or ends, whatever it is told that this one
 * does not have.
 */
export function remember(node: Node, store: Store): void {
  for (const connection of store.connections()) {
    const { pairs, tunnel } = connection;
    for (const { prefix } of pairs) node.pools.restore(prefix);
    if (tunnel) node.identifiers.take(tunnel.identifier);
    node.connections.restore(connection);
  }
}

/** Packets of connections that are intact keep flowing meanwhile: nothing of theirs is touched. */
export async function recover(node: Node, store: Store): Promise<void> {
  const connections = [...node.connections.values()];
  await node.endpoints.restore();
  const found = await removeStrays(node);
  await Promise.all(
    connections.map((connection) => {
      const { id, key, state } = connection;
      const resumed = node.mutex.run(key, async () => {
        const doubtful = store.doubtful && state.kind === 'UP' && !found.has(id);
        if (!doubtful) return await resume(node, connection);
        closeSoon(node, id, 'its record is doubtful, and the kernel has nothing of it');
      });
      // Whether packets come through its tunnel takes seconds to see where none do; only who asked for it waits for that.
      if (state.kind !== 'CONNECTING') return resumed;
      resumed.catch((error: unknown) => node.logger.error({ connection: id, err: error }, 'not found again'));
      return undefined;
    }),
  );
}

async function resume(node: Node, connection: Connection): Promise<void> {
  const present = node.connections.byId(connection.id);
  // The endpoint may have been found dead, and the connection closed, a moment ago.
  if (!present) return;
  const { state } = present;
  // Another manager that has to hear of it may be silent: nobody shall wait for that.
  if (state.kind === 'CLOSING') return closeSoon(node, present.id, state.reason, state);
  const kept = isKept(state);
  if (state.kind === 'HEALING' && !kept) return heal(node, present.id, state.reason);
  try {
    // What had not answered when this manager ended must do so now, before it may take another's place.
    if (state.kind === 'CONNECTING') {
      const { answerWithinMs } = present.crossConnect;
      declareUp(node, await compare(node, present, { answerWithinMs }));
    } else if (!present.replaces) await compare(node, present);
    const up = node.connections.byId(present.id) ?? present;
    node.owners.hold(up);
    if (up.replaces) mend(node, up.id, 'it has not taken the place of the one that it replaces');
  } catch (thrown) {
    // Better not to start than to take down what cannot be looked at.
    if (NsmError.from(thrown).kind === 'exhausted') throw thrown;
    const reason = `not found again after a restart: ${NsmError.from(thrown).message}`;
    const { state: now, replaces } = node.connections.byId(present.id) ?? present;
    // The client has the other one still. What replaces none it may have been told of: that it is up is written a little later.
    if (now.kind === 'CONNECTING' && replaces && node.connections.byId(replaces.id))
      closeSoon(node, present.id, reason);
    else rebuild(node, present, reason);
  }
}
