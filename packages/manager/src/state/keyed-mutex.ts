// Serialises what concerns one key, and nothing else.
import { setTimeout as sleep } from 'node:timers/promises';

export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Resolves when nothing runs any more, with true; or after `withinMs`, with false. */
  async settled(withinMs: number): Promise<boolean> {
    const late = new AbortController();
    const patience = sleep(withinMs, false, { signal: late.signal, ref: false }).catch(() => false);
    try {
      while (this.#tails.size > 0) {
        const ended = Promise.allSettled(this.#tails.values()).then(() => true);
        if (!(await Promise.race([ended, patience]))) return false;
      }
      return true;
    } finally {
      late.abort();
    }
  }

  /** Runs after everything that was started before for the same key has settled. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const mine = before ? before.then(work, work) : work();
    this.#tails.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }
}
