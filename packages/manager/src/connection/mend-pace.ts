// How soon a connection that was changed from outside is mended again: at once, until the same mend is undone again and again.

/** The same difference is mended at once so many times in a row. */
export const atOnce = 5;

/** Milliseconds. */
export interface MendPauses {
  /** Until a difference that was mended at once too often is mended again: doubles from the first to the longest. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** For which a mend must hold, at least, until its difference is not called contested any more. */
  readonly settledMs: number;
  /** For which a mend must hold until the process that undid it counts as gone; two rounds of comparing and more. */
  readonly holdsMs: number;
}

export const mendPauses: MendPauses = {
  firstMs: 1000,
  longestMs: 30_000,
  settledMs: 10_000,
  holdsMs: 90_000,
};

/** Comparing in vain takes at most one part in so many of the forwarder's time, whatever causes the comparisons. */
const share = 5;
/** Milliseconds for which comparing that found nothing is put off at most. */
const longestShareMs = 1000;

/** A difference that comes back after each mend. */
export interface Contested {
  readonly what: string;
  /** Lower bound of the times, a power of two: the text does not change each time. */
  readonly times: number;
}

export interface Compared {
  /** Differences that come back after each mend; empty when there are none. */
  readonly contested: readonly Contested[];
  /** The contested differences were not told yet. */
  readonly news: boolean;
}

/** The history of a connection's comparisons. Times are milliseconds of a monotonic clock. */
export class MendPace {
  /** How many times in a row each difference was found. */
  #counts: ReadonlyMap<string, number> = new Map();
  /** When something was mended last. */
  #mendedAt = Number.NEGATIVE_INFINITY;
  /** When the connection may be compared again, whatever was found. */
  #rested = 0;
  /** The contested differences were told already. */
  #told = false;
  readonly #pauses: MendPauses;

  constructor(pauses: MendPauses = mendPauses) {
    this.#pauses = pauses;
  }

  /** Milliseconds until the connection is to be compared; 0: now. */
  waitMs(now: number): number {
    return Math.max(0, this.#rested - now, this.#mendedAt + this.#pauseMs(this.#counts) - now);
  }

  /** Differences that come back after each mend, whether or not they are mended just now. */
  get contested(): readonly Contested[] {
    return againAndAgain(this.#counts);
  }

  /** How many times in a row a difference was found. */
  times(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  /** Other differences than this one were found, and mended: something changes the connection, so that a mend may fail half-way, too. */
  undoneBeside(what: string): boolean {
    return [...this.#counts.keys()].some((other) => other !== what);
  }

  /** Forgets how often a difference was found: the next time counts as the first. */
  forget(what: string): void {
    this.#counts = new Map([...this.#counts].filter(([other]) => other !== what));
  }

  /**
   * The connection was compared.
   * @param found what was other than wanted, and was mended.
   * @param tookMs how long it took.
   */
  compared(found: readonly string[], tookMs: number, now: number): Compared {
    const held = now - this.#mendedAt >= this.#pauses.holdsMs;
    const counts = new Map(held ? [] : this.#counts);
    for (const one of found) counts.set(one, (counts.get(one) ?? 0) + 1);
    const again = againAndAgain(counts);
    const settled =
      found.length === 0 && now - this.#mendedAt >= Math.max(this.#pauses.settledMs, this.#pauseMs(counts));
    const told = this.#told && !held;
    this.#counts = counts;
    this.#rested = found.length > 0 ? now : now + Math.min((share - 1) * tookMs, longestShareMs);
    if (found.length > 0) this.#mendedAt = now;
    this.#told = told || again.length > 0;
    return { contested: settled ? [] : again, news: again.length > 0 && !told };
  }

  /** Milliseconds after which a contested connection is compared again, whether or not an event tells of a change. */
  lookAgainMs(now: number): number {
    return Math.max(0, this.#mendedAt + Math.max(this.#pauses.settledMs, this.#pauseMs(this.#counts)) - now);
  }

  #pauseMs(counts: ReadonlyMap<string, number>): number {
    const most = Math.max(0, ...counts.values());
    if (most < atOnce) return 0;
    return Math.min(this.#pauses.firstMs * 2 ** (most - atOnce), this.#pauses.longestMs);
  }
}

function againAndAgain(counts: ReadonlyMap<string, number>): readonly Contested[] {
  return [...counts].flatMap(([what, count]) =>
    count >= atOnce ? [{ what, times: Math.max(atOnce, 2 ** Math.floor(Math.log2(count))) }] : [],
  );
}
