// Keeps what is in the kernel equal to what a connection wants: compared when something was taken away, and now and then.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { withNamesOf } from '../request/programming.js';
import { takeOver } from '../request/settling.js';
import { type Connection, isInPlace } from '../state/connection.js';
import { closeSoon } from './closing.js';
import { rebuild } from './healing.js';
import { unanswered } from './silence.js';

/** Milliseconds in which every connection is compared once, also where no event told of a difference. */
const round = 30_000;
/** Milliseconds within which a packet must come back from the other node. */
export const answerWithinMs = 1000;
/** Milliseconds between two comparisons when there are few connections. */
const longestPause = 1000;

export interface ComparingOptions {
  /** Milliseconds within which the other side must answer. Default: it is not asked. */
  readonly answerWithinMs?: number;
}

/**
 * Has the interfaces of a connection mended where they differ from what it wants; one that cannot be is rebuilt. What could not
 * be removed before is tried again.
 */
export function mend(node: Node, id: string, reason: string, options: ComparingOptions = {}): void {
  const present = node.connections.byId(id);
  if (present?.state.kind === 'CLOSING' && !present.state.removed)
    closeSoon(node, id, present.state.reason, present.state);
  if (!present || !isInPlace(present)) return;
  const mended = node.mutex.run(present.key, async () => {
    const connection = node.connections.byId(id);
    if (connection && isInPlace(connection)) await compare(node, connection, options);
  });
  mended.catch((thrown: unknown) => {
    const error = NsmError.from(thrown);
    // The end of the forwarder is told of by itself; that of a namespace is not while the forwarder is away.
    if (error.kind === 'unavailable' || node.stopping.aborted) return;
    const connection = node.connections.byId(id);
    if (!connection || !isInPlace(connection)) return;
    if (error.kind === 'no-packets') return void unanswered(node, id);
    node.logger.warn({ connection: id, reason, err: error }, 'cannot be mended');
    rebuild(node, connection, `${reason}; ${error.message}`);
  });
}

/**
 * Brings the kernel to what a connection wants; where it is so already, nothing is touched. One that was to take another's place
 * and was kept from it does so now. Call it under the connection's key.
 * @throws NsmError when the kernel cannot be brought there.
 */
export async function compare(
  node: Node,
  connection: Connection,
  { answerWithinMs = 0 }: ComparingOptions = {},
): Promise<Connection> {
  if (connection.replaces && connection.state.kind !== 'CONNECTING') return await takeOver(node, connection);
  const wanted = { ...connection.crossConnect, answerWithinMs };
  return withNamesOf(await node.forwarder.apply(wanted), connection);
}

/** Compares every connection once in a while, evenly spread, until the manager stops. */
export async function keepComparing(node: Node): Promise<void> {
  while (!node.stopping.aborted) {
    const ids = [...node.connections.values()].map(({ id }) => id);
    const pause = Math.min(longestPause, round / Math.max(1, ids.length));
    for (const id of ids) {
      await rest(node, pause);
      const remote = node.connections.byId(id)?.role === 'CLIENT';
      if (!node.stopping.aborted)
        mend(node, id, 'its interface is not as it should be', remote ? { answerWithinMs } : {});
    }
    await rest(node, round - ids.length * pause);
  }
}

async function rest(node: Node, milliseconds: number): Promise<void> {
  const jittered = Math.max(0, milliseconds) * (0.75 + Math.random() / 2);
  await sleep(jittered, undefined, { signal: node.stopping, ref: false }).catch(() => undefined);
}
