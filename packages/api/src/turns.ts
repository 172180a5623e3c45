// Work on the same things is done one after the other, in the order in which it came.

export class Turns {
  /** By key: the last work that was begun or waits. */
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * Does the work when all that came before it for any of the keys has ended, well or not.
   * @throws what the work throws.
   */
  async take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const turn = Promise.allSettled(keys.map((key) => this.#last.get(key))).then(work);
    for (const key of keys) this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      for (const key of keys) if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }

  /** Resolves when no work is under way, and none waits. */
  async ended(): Promise<void> {
    while (this.#last.size > 0) await Promise.allSettled(this.#last.values());
  }
}
