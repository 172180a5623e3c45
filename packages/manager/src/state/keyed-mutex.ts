// Serialises what concerns one key, and nothing else.

export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

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
