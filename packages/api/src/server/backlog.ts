// Events that wait for one reader, bounded: who reads too slowly, or never, costs no memory without end.
import { NsmError } from '../errors.js';

export class Backlog<T> {
  readonly #limit: () => number;
  #events: T[] = [];
  #overrun = false;
  #wake = (): void => undefined;

  /** @param limit so many events may wait at this moment. */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** Beyond the limit all that waits is dropped, and nothing is taken any more. */
  push(event: T): void {
    if (this.#overrun) return;
    this.#overrun = this.#events.length >= this.#limit();
    if (this.#overrun) this.#events = [];
    else this.#events.push(event);
    this.#wake();
  }

  /** True when events were dropped. */
  get overrun(): boolean {
    return this.#overrun;
  }

  /**
   * Every event, as it comes, until the signal aborts. May be read once.
   * @throws NsmError `overload` when events were dropped.
   */
  async *read(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const awaken = (): void => this.#wake();
    signal.addEventListener('abort', awaken);
    try {
      while (!signal.aborted && !this.#overrun) {
        const event = this.#events.shift();
        if (event !== undefined) yield event;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      signal.removeEventListener('abort', awaken);
    }
    if (this.#overrun && !signal.aborted)
      throw new NsmError('overload', 'the watch is too many events behind; watch again');
  }
}
