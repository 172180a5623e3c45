// What was found other than wanted and put right, in words: a few of each sort are named, and the rest counted.
import type { Side } from '../port/wiring.js';

/** Of thousands of routes that were taken away so many are named. */
const maxNamed = 4;

export class Differences {
  readonly #side: Side;
  readonly #name: string;
  readonly #found = new Map<string, string[]>();

  /** @param name of the interface. */
  constructor(side: Side, name: string) {
    this.#side = side;
    this.#name = name;
  }

  /** @param sort `route`, `address` or another word that `which` follows. */
  add(sort: string, which = ''): void {
    this.#found.set(sort, [...(this.#found.get(sort) ?? []), which]);
  }

  addAll(sort: string, which: readonly string[]): void {
    if (which.length > 0) this.#found.set(sort, [...(this.#found.get(sort) ?? []), ...which]);
  }

  /** Such as `address 10.60.0.1/31 of nsm0 (client)`: the same for the same difference. */
  told(): string[] {
    const whose = `${this.#name} (${this.#side})`;
    return [...this.#found].flatMap(([sort, all]) => {
      const named = all.slice(0, maxNamed).map((which) => `${sort}${which && ` ${which}`} of ${whose}`);
      return all.length > maxNamed ? [...named, `more ${sort}s of ${whose}`] : named;
    });
  }
}
