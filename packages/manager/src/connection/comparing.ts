// What is in the kernel is brought to what the record of a connection says.
import { NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { declareUp, withNamesOf } from '../request/programming.js';
import { type Connection, withCause } from '../state/connection.js';
import type { ActsComponents } from './components.js';
import { type Facts, noteLoss } from './facts.js';
import type { Contested } from './mend-pace.js';
import { timing } from './timing.js';

/** Stands for the whole interface where mending failed, among the differences. */
const notMendable = 'its interface, which could not be mended';

/**
 * Brings the kernel to what a connection wants; what is as wanted already is not touched.
 * @param answerWithinMs in which the other side must answer; 0: the other side is not asked.
 * @throws NsmError when the kernel cannot be brought there.
 */
export async function compare(
  components: ActsComponents,
  connection: Connection,
  facts: Facts,
  answerWithinMs: number,
): Promise<Connection> {
  delete facts.compare;
  const startedAt = components.clock.now();
  const applied = await components.forwarder.apply({ ...connection.crossConnect, answerWithinMs });
  // That the other side takes its time is no work.
  const tookMs = answerWithinMs > 0 ? 0 : components.clock.now() - startedAt;
  facts.pace.forget(notMendable);
  const found = noteDifferences(components, connection, facts, applied.mended, tookMs);
  return { ...withNamesOf(applied, connection), phase: found.phase, since: found.since };
}

export async function mend(components: ActsComponents, connection: Connection, facts: Facts): Promise<void> {
  const { reason = '', answerWithinMs = 0 } = facts.compare ?? {};
  try {
    await compare(components, connection, facts, answerWithinMs);
  } catch (thrown) {
    const error = NsmError.from(thrown);
    // The end of the forwarder is told of by itself; that of a namespace is not while the forwarder is away.
    // A connection that cannot be compared for want of memory or descriptors is compared the next time.
    if (saysNothing(error) || components.stopping.aborted) return;
    if (error.kind === 'no-packets') {
      const pathFailure = components.pathFailureOf(connection);
      if (pathFailure) facts.pathFailure = pathFailure;
      return;
    }
    if (components.logThrottle.isNews(connection.id, error.message))
      components.logger.warn({ connection: connection.id, reason, err: error }, 'cannot be mended');
    // A pod that makes mending fail does so again: the interface is made anew less and less often, too.
    const { phase } = noteDifferences(components, connection, facts, [notMendable], 0);
    const contested = facts.pace.contested.map(({ what }) => what);
    // An interface made anew would be undone all the same.
    if (contested.length > 0 && !contested.includes(notMendable)) return;
    const patience = facts.pace.undoneBeside(notMendable)
      ? timing.undoneMendsUntilLost
      : timing.mendsUntilLost;
    if (facts.pace.times(notMendable) < patience) {
      facts.compare ??= { reason, answerWithinMs };
      return;
    }
    const undone = phase.kind === 'UP' ? phase.contested : undefined;
    noteLoss(facts, 'interface', withCause(undone ?? reason, error.message));
  }
}

/** A connection whose other side did not answer counts as up only when that side answers. */
export async function verify(
  components: ActsComponents,
  connection: Connection,
  facts: Facts,
  course: Course,
): Promise<void> {
  const { phase, crossConnect, peer } = connection;
  const waiting = phase.kind === 'WAITING';
  delete facts.heard;
  try {
    const answerWithinMs = waiting ? timing.answerWithinMs : crossConnect.answerWithinMs;
    const found = await course.step('see whether packets go through it', () =>
      compare(components, connection, facts, answerWithinMs),
    );
    declareUp(components, found, course);
  } catch (thrown) {
    const error = NsmError.from(thrown);
    if (waiting && (saysNothing(error) || components.stopping.aborted)) return;
    if (saysNothing(error)) throw error;
    // A connection made anew would be undone, too.
    if (waiting && facts.pace.contested.length > 0) return;
    const butNotHere = `packets come back from node ${peer?.manager}, but not to it`;
    if (!waiting) noteLoss(facts, 'restart', `not found again after a restart: ${error.message}`);
    else
      noteLoss(
        facts,
        'packets',
        error.kind === 'no-packets' ? butNotHere : `${butNotHere}: ${error.message}`,
      );
  }
}

/** Records the differences that were found, for the pace of mending and for operators. @returns the connection's new record. */
function noteDifferences(
  components: ActsComponents,
  connection: Connection,
  facts: Facts,
  mended: readonly string[],
  tookMs: number,
): Connection {
  const { connections, logger } = components;
  const { id } = connection;
  const now = components.clock.now();
  const { contested, news } = facts.pace.compared(mended, tookMs, now);
  if (news)
    logger.warn(
      { connection: id, contested: contested.map(({ what }) => what) },
      'something undoes what is mended: mending less and less often',
    );
  else if (mended.length > 0 && contested.length === 0) logger.info({ connection: id, mended }, 'mended');
  facts.compareAtMs = now + facts.pace.waitMs(now);
  if (contested.length > 0)
    facts.compare ??= {
      reason: 'it is changed again and again',
      answerWithinMs: 0,
      notBeforeMs: now + facts.pace.lookAgainMs(now),
    };
  const present = connections.byId(id) ?? connection;
  if (present.phase.kind !== 'UP') return present;
  const text = contestedText(present, contested);
  const { contested: before, ...phase } = present.phase;
  if (before === text) return present;
  return connections.change(present, { phase: { ...phase, ...(text ? { contested: text } : {}) } });
}

function contestedText(connection: Connection, contested: readonly Contested[]): string | undefined {
  if (contested.length === 0) return undefined;
  const undone = contested.map(({ what, times }) => `${what}, ${times} times and more`).join('; ');
  return (
    `changed behind its back again and again: ${undone}; something else in ${podOf(connection, undone)} undoes it, and it ` +
    'is mended less and less often: find what it is, and have it leave the interface alone'
  );
}

/** The pod in which something was undone. */
function podOf({ crossConnect, requestId, endpoint }: Connection, undone: string): string {
  const side = crossConnect.client && !undone.includes('(endpoint)') ? 'client' : 'endpoint';
  const name = side === 'client' ? `request "${requestId}"` : `endpoint "${endpoint.name}"`;
  return `the pod of ${name} (net:[${crossConnect[side]?.namespace?.inode}])`;
}

/** Records what is undone again and again on the other node: the reason why packets do not come back. */
export function noteContestedThere(
  { connections, logger, logThrottle }: ActsComponents,
  connection: Connection,
  told: string,
): void {
  const { id, phase } = connection;
  const own = phase.kind === 'UP' && phase.contested !== undefined ? { contested: phase.contested } : {};
  const there = told === '' ? {} : { contestedThere: told };
  // A connection that waits for packets has them when nothing on the other node undoes its half any more.
  connections.change(connection, { phase: { kind: 'UP', ...own, ...there } });
  if (told !== '' && logThrottle.isNews(`other half of ${id}`, 'undone'))
    logger.warn({ connection: id, reason: told }, 'something on the other node undoes what is mended there');
}

/** A forwarder that is away, or that cannot look for want of something, says nothing of the connection. */
export function saysNothing({ kind }: NsmError): boolean {
  return kind === 'unavailable' || kind === 'exhausted';
}
