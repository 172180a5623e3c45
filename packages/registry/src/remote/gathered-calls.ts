// What is to be asked at the same moment shares a call: an endpoint comes, and goes, with thousands of services.
import { NsmError } from '@nsm/api';

/** What one call has at most. */
export interface MostOfCall {
  readonly count: number;
  readonly bytes: number;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly bytes: number;
  readonly done: (answer: Answer) => void;
  readonly failed: (error: NsmError) => void;
}

/** `Item` is what one caller asks, `Answer` what that caller hears. */
export class GatheredCalls<Item, Answer> {
  readonly #most: MostOfCall;
  readonly #sizeOf: (item: Item) => number;
  readonly #send: (items: readonly Item[]) => Promise<readonly (Answer | NsmError)[]>;
  #waiting: Waiting<Item, Answer>[] = [];

  /** @param send makes one call and returns the answer to each item, or why that item failed. What it throws fails them all. */
  constructor(
    most: MostOfCall,
    sizeOf: (item: Item) => number,
    send: (items: readonly Item[]) => Promise<readonly (Answer | NsmError)[]>,
  ) {
    this.#most = most;
    this.#sizeOf = sizeOf;
    this.#send = send;
  }

  /** @throws NsmError what the item was answered with, or what kept it from being asked. */
  add(item: Item): Promise<Answer> {
    return new Promise((done, failed) => {
      this.#waiting.push({ item, bytes: this.#sizeOf(item), done, failed });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    let part: Waiting<Item, Answer>[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting.splice(0)) {
      const full = part.length === this.#most.count || bytes + waiting.bytes > this.#most.bytes;
      if (full && part.length > 0) {
        void this.#call(part);
        part = [];
        bytes = 0;
      }
      part.push(waiting);
      bytes += waiting.bytes;
    }
    void this.#call(part);
  }

  /** Never rejects. */
  async #call(part: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#send(part.map(({ item }) => item));
      part.forEach(({ done, failed }, index) => {
        const answer = answers[index];
        if (answer instanceof NsmError) failed(answer);
        else done(answer as Answer);
      });
    } catch (error) {
      for (const { failed } of part) failed(NsmError.from(error));
    }
  }
}
