// The time line: what changed, in the order in which it was noticed.
import type { Change } from '../model.js';
import { answersAgain, silence } from './changes-between.js';

type Line = Omit<Change, 'id'>;

/** Lines that are kept. */
const most = 1000;
/** Milliseconds for which a line is held back that says that a manager does not answer: it may have been stopped, which says more. */
const holdMs = 2500;

interface TimeLineEvents {
  /** A line is held back: other managers may know more. */
  onHeld(): void;
  /** A line that was held back is told, as nothing else was told instead. */
  onLate(change: Change): void;
}

export class TimeLine implements Disposable {
  readonly #events: TimeLineEvents;
  #changes: readonly Change[] = [];
  #id = 0;
  /** Lines that are held back, by what they are about. */
  readonly #held = new Map<string, NodeJS.Timeout>();

  constructor(events: TimeLineEvents) {
    this.#events = events;
  }

  /** The latest last. */
  get changes(): readonly Change[] {
    return this.#changes;
  }

  /** @returns those that are told now. */
  add(lines: readonly Line[]): Change[] {
    return lines.filter((line) => this.#isDue(line)).map((line) => this.#note(line));
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.values()) clearTimeout(held);
  }

  #note(line: Line): Change {
    const change = { id: ++this.#id, ...line };
    this.#changes = [...this.#changes, change].slice(-most);
    return change;
  }

  /** Whatever else is told of a node takes the place of a line that is held back. */
  #isDue(line: Line): boolean {
    clearTimeout(this.#held.get(line.about));
    const wasHeld = this.#held.delete(line.about);
    if (line.what !== silence) return !(wasHeld && line.what === answersAgain);
    const told = (): void => {
      this.#held.delete(line.about);
      this.#events.onLate(this.#note(line));
    };
    this.#held.set(line.about, setTimeout(told, holdMs));
    this.#events.onHeld();
    return false;
  }
}
