// Repeated looks at the underlay: after each change of it, and after a while without one.
import type { Clock } from './clock.js';

export interface LookingAgain {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly stopping: AbortSignal;
  /** Called when links, addresses or routes of the node may lead to other nodes in another way. */
  readonly underlayListeners: Set<() => void>;
}

/**
 * Looks now, whenever the underlay changes or `again` is called, and every `everyMs`, until the manager stops.
 * @param listen is given `again`; what calls it while a look is under way has the look follow that comes next.
 */
export async function keepLooking(
  { clock, stopping, underlayListeners }: LookingAgain,
  everyMs: number,
  look: () => Promise<void>,
  listen: (again: () => void) => void = () => undefined,
): Promise<void> {
  let wake = new AbortController();
  const again = (): void => wake.abort();
  underlayListeners.add(again);
  listen(again);
  while (!stopping.aborted) {
    wake = new AbortController();
    await look();
    await clock.sleep(everyMs, AbortSignal.any([wake.signal, stopping]));
  }
}
