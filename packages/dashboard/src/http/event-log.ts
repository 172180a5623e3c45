// What was told lately, so that a page whose connection broke goes on where it was.
import { randomBytes } from 'node:crypto';

/** Events, and characters of them, that are kept. */
const most = { events: 2000, characters: 8 << 20 };

export class EventLog {
  /** Ids of another life of the server are none of this one. */
  readonly #epoch = randomBytes(6).toString('hex');
  readonly #events: string[] = [];
  #characters = 0;
  #last = 0;

  /** Id of the last event. */
  get lastId(): string {
    return `${this.#epoch}-${this.#last}`;
  }

  /** @returns the id of the event. */
  add(data: string): string {
    this.#events.push(data);
    this.#characters += data.length;
    this.#last++;
    while (this.#events.length > most.events || this.#characters > most.characters)
      this.#characters -= this.#events.shift()?.length ?? 0;
    return this.lastId;
  }

  /** What came after an event; undefined where that cannot be told any more. */
  after(id: string): readonly { readonly id: string; readonly data: string }[] | undefined {
    const [epoch, text = ''] = id.split('-');
    const number = Number(text);
    const first = this.#last - this.#events.length;
    if (epoch !== this.#epoch || !/^\d+$/.test(text) || number < first || number > this.#last)
      return undefined;
    return this.#events
      .slice(number - first)
      .map((data, index) => ({ id: `${this.#epoch}-${number + index + 1}`, data }));
  }
}
