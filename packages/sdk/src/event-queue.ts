// Events for one reader: kept until read, the newest of them; ended once.

/** Each event tells the whole state: a reader who is behind by more loses the oldest. */
const mostKept = 1000;

export class EventQueue<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #onEnd: () => void;
  #wake: (() => void) | undefined;
  #ended = false;

  /** `onEnd` runs once: when the reader stops reading, or at `end()`. */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    if (this.#items.length > mostKept) this.#items.shift();
    this.#wake?.();
  }

  /** What is queued is still read. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) yield item;
        else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      this.end();
    }
  }
}
