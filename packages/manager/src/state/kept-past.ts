// What operators ask for later and no restart needs: written together each second, so that nothing waits for it and a flood costs
// one write a second. A process that dies takes the last second along.
import { type Codec, RecordFile, type StateLogger } from '@nsm/durable';

/** Milliseconds for which changes are gathered. */
const gatherMs = 1000;

/** For the parts that have the same records in memory. */
export interface Kept<T> {
  /** What was written before the last restart, and since. */
  entries(): Iterable<readonly [key: string, record: T]>;
  /** @param record what is to be written when its turn comes; undefined ends it. */
  put(key: string, record: T | undefined): void;
}

export class KeptPast<T> implements Kept<T> {
  readonly #file: RecordFile<T>;
  readonly #soon = new Map<string, T | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws NsmError what `RecordFile` throws. */
  constructor(path: string, codec: Codec<T>, logger: StateLogger | undefined) {
    this.#file = new RecordFile(path, codec, logger ? { logger } : {});
  }

  *entries(): Generator<readonly [key: string, record: T]> {
    for (const entry of this.#file.entries()) {
      const [key] = entry;
      if (!this.#soon.has(key) || this.#soon.get(key) !== undefined) yield entry;
    }
  }

  put(key: string, record: T | undefined): void {
    if (this.#closed) return;
    this.#soon.set(key, record);
    this.#timer ??= setTimeout(() => void this.#flush(), gatherMs).unref();
  }

  async close(): Promise<void> {
    await this.#flush();
    this.#closed = true;
    await this.#file.close();
  }

  /** A disk that takes nothing is told of by the file. */
  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const changes = [...this.#soon];
    this.#soon.clear();
    if (changes.length > 0) await this.#file.write(changes).catch(() => undefined);
  }
}
