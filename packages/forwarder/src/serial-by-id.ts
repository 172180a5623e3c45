// Work on cross-connects, one after the other for each id, and at the same time for different ids.

export class SerialById {
  /** The last work that was begun for each id: the next work waits for it, even when the caller has stopped waiting. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs when all that was begun for any of the ids has ended, however it ended. */
  async run<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    const turn = Promise.allSettled(ids.map((id) => this.#last.get(id))).then(work);
    for (const id of ids) this.#last.set(id, turn);
    try {
      return await turn;
    } finally {
      for (const id of ids) if (this.#last.get(id) === turn) this.#last.delete(id);
    }
  }
}
