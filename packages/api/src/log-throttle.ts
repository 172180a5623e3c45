// What is worth a line in the log: what is new, and what still holds after a while.

/** Milliseconds after which the same is said again. */
const againMs = 300_000;
/** Texts that are remembered; beyond them the oldest are forgotten. */
const most = 4096;

export class LogThrottle {
  readonly #now: () => number;
  /** When each was said last, the oldest first. */
  readonly #said = new Map<string, number>();

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a text about a subject was not said lately; it counts as said then. */
  isNews(subject: string, text: string): boolean {
    const key = `${subject}\0${text}`;
    const now = this.#now();
    const at = this.#said.get(key);
    if (at !== undefined && now - at < againMs) return false;
    this.#said.delete(key);
    this.#said.set(key, now);
    for (const oldest of this.#said.keys()) {
      if (this.#said.size <= most) break;
      this.#said.delete(oldest);
    }
    return true;
  }

  /** What is over is news when it begins again. */
  forget(subject: string): void {
    for (const key of this.#said.keys()) if (key.startsWith(`${subject}\0`)) this.#said.delete(key);
  }
}
