// Requests beyond what a node can do at once wait their turn; beyond what can reasonably wait they are refused.
import { NsmError } from '@nsm/api';

export interface IntakeOptions {
  /** Requests that are worked on at the same time. Default: 64, with which two cores are busy. */
  readonly atOnce?: number;
  /** Requests that wait. Default: 4096, some ten seconds of work. */
  readonly waiting?: number;
}

export class Intake {
  readonly #atOnce: number;
  readonly #waiting: number;
  readonly #queue = new Set<() => void>();
  #running = 0;

  constructor({ atOnce = 64, waiting = 4096 }: IntakeOptions = {}) {
    this.#atOnce = atOnce;
    this.#waiting = waiting;
  }

  /**
   * Runs as soon as it is its turn, in order of arrival.
   * @throws NsmError `overload` when too many wait already; the signal's reason when it aborts while waiting.
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) await this.#turn(signal);
    else this.#running++;
    try {
      return await work();
    } finally {
      const [next] = this.#queue;
      if (next) next();
      else this.#running--;
    }
  }

  /** Resolves with the place of a request that is done. */
  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#queue.size >= this.#waiting) {
      throw new NsmError(
        'overload',
        `this node is making ${this.#running} connections and ${this.#queue.size} more requests wait: ask again later`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#queue.delete(start);
        reject(NsmError.from(signal.reason));
      };
      const start = (): void => {
        this.#queue.delete(start);
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.add(start);
    });
  }
}
