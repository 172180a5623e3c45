// Connections are compared with the kernel now and then, also where no event told of a difference.
import { timing } from '../connection/timing.js';
import type { SignalComponents } from './components.js';

/**
 * A connection may differ from what it wants.
 * @param answerWithinMs in which the other side must answer. Default: the other side is not asked.
 * @returns a promise that resolves when the step that is under way for the connection is done.
 */
export function compareSoon(
  reconciler: SignalComponents['reconciler'],
  id: string,
  reason: string,
  answerWithinMs = 0,
): Promise<void> | undefined {
  return reconciler.mark(id, (facts) => {
    facts.compare = { reason, answerWithinMs: Math.max(answerWithinMs, facts.compare?.answerWithinMs ?? 0) };
  });
}

/** Compares every connection once in a while, evenly spread, until the manager stops. */
export async function keepComparing({
  connections,
  reconciler,
  clock,
  stopping,
}: SignalComponents): Promise<void> {
  const { compareRoundMs, compareGapMs, answerWithinMs } = timing;
  const rest = (pauseMs: number) => clock.sleep(Math.max(0, pauseMs) * (0.75 + clock.random() / 2), stopping);
  while (!stopping.aborted) {
    const ids = [...connections.values()].map(({ id }) => id);
    const gapMs = Math.min(compareGapMs, compareRoundMs / Math.max(1, ids.length));
    for (const id of ids) {
      await rest(gapMs);
      if (stopping.aborted) return;
      const remote = connections.byId(id)?.role === 'CLIENT';
      void compareSoon(reconciler, id, 'its interface is not as it should be', remote ? answerWithinMs : 0);
    }
    await rest(compareRoundMs - ids.length * gapMs);
  }
}
