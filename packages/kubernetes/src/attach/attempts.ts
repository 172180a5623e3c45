// The requests of one pod that are under way, and those that have failed and are made again.
import { NsmError } from '@nsm/api';
import type { PodProcess } from '@nsm/manager';
import type { Wanted } from './plan.js';

/** Milliseconds before the first and the latest next attempt: an endpoint that comes is tried at once. */
const firstPauseMs = 250;
const lastPauseMs = 30_000;

interface Running {
  readonly wanted: Wanted;
  readonly abort: AbortController;
}

interface Failed {
  readonly wanted: Wanted;
  readonly error: NsmError;
  readonly failures: number;
  /** Milliseconds of the clock. */
  due: number;
}

export interface AttemptsComponents {
  readonly attach: (process: PodProcess, wanted: Wanted, signal: AbortSignal) => Promise<unknown>;
  /** Called when one has ended, in whatever way. @param error undefined: the connection is there. */
  readonly onEnd: (wanted: Wanted, error?: NsmError) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export class Attempts {
  readonly #components: AttemptsComponents;
  readonly #running = new Map<string, Running>();
  readonly #failed = new Map<string, Failed>();

  constructor(components: AttemptsComponents) {
    this.#components = components;
  }

  /** Requests that are under way. */
  running(): readonly Wanted[] {
    return [...this.#running.values()].flatMap(({ wanted, abort }) => (abort.signal.aborted ? [] : [wanted]));
  }

  failureOf(wanted: Wanted): NsmError | undefined {
    return this.#failed.get(keyOf(wanted))?.error;
  }

  /** Begins with what is wanted and is not under way, and gives up what is wanted no more. */
  want(
    process: PodProcess,
    wanted: readonly Wanted[],
    isSame: (one: Wanted, other: Wanted) => boolean,
  ): void {
    const keys = new Set(wanted.map(keyOf));
    for (const key of this.#failed.keys()) if (!keys.has(key)) this.#failed.delete(key);
    for (const one of wanted) {
      const known = this.#failed.get(keyOf(one));
      const failed = known && isSame(known.wanted, one) ? known : undefined;
      const isDue = !failed || failed.due <= this.#components.now();
      if (isDue && !this.#running.has(keyOf(one))) void this.#attempt(process, one, failed);
    }
  }

  /** Gives up those under way that are not to be kept. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const [key, { abort }] of this.#running)
      if (!keys.has(key))
        abort.abort(new NsmError('cancelled', 'the annotation does not ask for it any more'));
  }

  /** Makes the next attempts for a service now. @returns whether there are any. */
  hurry(service: string): boolean {
    let any = false;
    for (const failed of this.#failed.values())
      if (failed.wanted.networkServiceName === service) {
        failed.due = 0;
        any = true;
      }
    return any;
  }

  /** Milliseconds until the next attempt is due; undefined: none is waited for. */
  untilNext(): number | undefined {
    const due = [...this.#failed].flatMap(([key, failed]) => (this.#running.has(key) ? [] : [failed.due]));
    return due.length === 0 ? undefined : Math.max(0, Math.min(...due) - this.#components.now());
  }

  stop(): void {
    this.keepOnly(new Set());
    this.#failed.clear();
  }

  async #attempt(process: PodProcess, wanted: Wanted, former: Failed | undefined): Promise<void> {
    const { attach, onEnd, now } = this.#components;
    const key = keyOf(wanted);
    const abort = new AbortController();
    this.#running.set(key, { wanted, abort });
    let error: NsmError | undefined;
    try {
      await attach(process, wanted, abort.signal);
      this.#failed.delete(key);
    } catch (thrown) {
      error = NsmError.from(thrown);
      const failures = (former?.failures ?? 0) + 1;
      const pauseMs = Math.min(lastPauseMs, firstPauseMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      if (!abort.signal.aborted) this.#failed.set(key, { wanted, error, failures, due: now() + pauseMs });
    }
    this.#running.delete(key);
    onEnd(wanted, abort.signal.aborted ? undefined : error);
  }
}

export function keyOf({ networkServiceName, requestId }: Wanted): string {
  return `${networkServiceName} ${requestId}`;
}
