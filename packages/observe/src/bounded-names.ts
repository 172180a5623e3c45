// Names as values of labels: others choose them, so only so many of them at a time are told apart.

/** What the rest goes by; no name of a network service has a space. */
const other = 'all others';

export class BoundedNames {
  readonly #most: number;
  readonly #names = new Set<string>();

  /** @param most names that are told apart at the same time. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The name itself, or what all beyond the bound go by. */
  of(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.#most) return other;
    this.#names.add(name);
    return name;
  }

  /** All that are told apart, and what the rest goes by. */
  get all(): readonly string[] {
    return [...this.#names, other];
  }

  /** Makes room: forgets those that are not in use. @returns the forgotten ones. */
  keepOnly(inUse: ReadonlySet<string>): string[] {
    const unused = [...this.#names].filter((name) => !inUse.has(name));
    for (const name of unused) this.#names.delete(name);
    return unused;
  }
}
