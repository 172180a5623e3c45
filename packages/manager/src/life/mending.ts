// Keeps what is in the kernel equal to what a connection wants: compared when something was taken away, and now and then.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { withNamesOf } from '../request/programming.js';
import { takeOver } from '../request/settling.js';
import { type Connection, isInPlace } from '../state/connection.js';
import { closeSoon } from './closing.js';
import { rebuild, withCause } from './healing.js';
import type { Contested } from './mend-pace.js';
import { unanswered } from './silence.js';

/** Milliseconds in which every connection is compared once, also where no event told of a difference. */
const round = 30_000;
/** Milliseconds within which a packet must come back from the other node. */
export const answerWithinMs = 1000;
/** Milliseconds between two comparisons when there are few connections. */
const longestPause = 1000;

/** So many times in a row something could not be mended before it is made anew. */
const tries = 3;

/** What is told of one that had to be made anew. */
const notMendable = 'its interface, which could not be mended';

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
  if (!present || !isInPlace(present) || putOff(node, id, reason)) return;
  const mended = node.mutex.run(present.key, async () => {
    const connection = node.connections.byId(id);
    // Many may have waited for their turn.
    if (!connection || !isInPlace(connection) || putOff(node, id, reason)) return;
    await compare(node, connection, options);
  });
  mended.catch((thrown: unknown) => {
    const error = NsmError.from(thrown);
    // The end of the forwarder is told of by itself; that of a namespace is not while the forwarder is away.
    // What cannot be looked at for want of something is looked at by the next comparison.
    if (error.kind === 'unavailable' || error.kind === 'exhausted' || node.stopping.aborted) return;
    const connection = node.connections.byId(id);
    if (!connection || !isInPlace(connection)) return;
    if (error.kind === 'no-packets') return void unanswered(node, id);
    if (node.rarely.isNews(id, error.message))
      node.logger.warn({ connection: id, reason, err: error }, 'cannot be mended');
    // Who makes it fail makes it fail again: it is made anew less and less often, too.
    withState(node, connection, [notMendable], 0);
    const contested = node.mendPace.contested(id).map(({ what }) => what);
    // Made anew it would be undone all the same.
    if (contested.length > 0 && !contested.includes(notMendable)) return;
    // Somebody may have come in between.
    if (node.mendPace.times(id, notMendable) < tries) return mend(node, id, reason, options);
    const { state } = node.connections.byId(id) ?? connection;
    const undone = state.kind === 'UP' ? state.reason : undefined;
    rebuild(node, connection, withCause(undone ?? reason, error.message));
  });
}

/** Whether mending is put off, because somebody undoes it again and again, or it was compared in vain a moment ago. */
function putOff(node: Node, id: string, reason: string): boolean {
  const waitMs = node.mendPace.waitMs(id);
  if (waitMs === 0) return false;
  tell(node, id, node.mendPace.contested(id));
  mendLater(node, id, reason, waitMs);
  return true;
}

function mendLater(node: Node, id: string, reason: string, waitMs: number): void {
  const at = performance.now() + waitMs;
  const waiting = node.mendingLater.get(id);
  if (waiting && waiting.at <= at) return;
  clearTimeout(waiting?.timer);
  const timer = setTimeout(() => {
    node.mendingLater.delete(id);
    if (!node.stopping.aborted) mend(node, id, reason);
  }, waitMs).unref();
  node.mendingLater.set(id, { at, timer });
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
  const startedAt = performance.now();
  const applied = await node.forwarder.apply(wanted);
  // That the other side takes its time is no work.
  const tookMs = answerWithinMs > 0 ? 0 : performance.now() - startedAt;
  return withState(node, withNamesOf(applied, connection), applied.mended, tookMs);
}

/** Takes down what was found, for the pace of mending and for operators. @returns the connection in its state now. */
function withState(
  node: Node,
  connection: Connection,
  mended: readonly string[],
  tookMs: number,
): Connection {
  const { id } = connection;
  const { contested, news } = node.mendPace.compared(id, mended, tookMs);
  if (news)
    node.logger.warn(
      { connection: id, contested: contested.map(({ what }) => what) },
      'something undoes what is mended: mending less and less often',
    );
  else if (mended.length > 0 && contested.length === 0)
    node.logger.info({ connection: id, mended }, 'mended');
  if (contested.length > 0)
    mendLater(node, id, 'it is changed again and again', node.mendPace.lookAgainMs(id));
  tell(node, id, contested);
  const { state, since } = node.connections.byId(id) ?? connection;
  return state.kind === 'UP' ? { ...connection, state, since } : connection;
}

/** Operators are told of what somebody undoes again and again. */
function tell(node: Node, id: string, contested: readonly Contested[]): void {
  const present = node.connections.byId(id);
  if (present?.state.kind !== 'UP') return;
  const undone = contested.map(({ what, times }) => `${what}, ${times} times and more`).join('; ');
  const reason =
    undone === ''
      ? undefined
      : `changed behind its back again and again: ${undone}; something else in ${podOf(present, undone)} undoes it, and it ` +
        'is mended less and less often: find what it is, and have it leave the interface alone';
  const { reason: before, ...state } = present.state;
  if (before !== reason) node.connections.changeState(present, { ...state, ...(reason ? { reason } : {}) });
}

/** The pod in which something was undone. */
function podOf({ crossConnect, requestId, endpoint }: Connection, undone: string): string {
  const side = crossConnect.client && !undone.includes('(endpoint)') ? 'client' : 'endpoint';
  const name = side === 'client' ? `request "${requestId}"` : `endpoint "${endpoint.name}"`;
  return `the pod of ${name} (net:[${crossConnect[side]?.namespace?.inode}])`;
}

/** Compares every connection once in a while, evenly spread, until the manager stops. */
export async function keepComparing(node: Node): Promise<void> {
  while (!node.stopping.aborted) {
    const ids = [...node.connections.values()].map(({ id }) => id);
    node.mendPace.keep(new Set(ids));
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
