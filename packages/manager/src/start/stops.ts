// The parts that a manager has begun, stopped in reverse order.
import type { Logger } from 'pino';

export class Stops {
  readonly #logger: Pick<Logger, 'error'>;
  readonly #stops: (() => Promise<void> | void)[] = [];

  constructor(logger: Pick<Logger, 'error'>) {
    this.#logger = logger;
  }

  add(stop: () => Promise<void> | void): void {
    this.#stops.push(stop);
  }

  /** Calls each once, the last added first, also when one before has failed. */
  async run(): Promise<void> {
    for (let stop = this.#stops.pop(); stop; stop = this.#stops.pop()) {
      try {
        await stop();
      } catch (error) {
        this.#logger.error({ err: error }, 'a part was not stopped as it should be');
      }
    }
  }
}
