// How soon a connection that was changed by somebody else is mended again: at once, until somebody keeps undoing it.

/** The same difference is mended at once so many times in a row. */
export const atOnce = 5;
/** Milliseconds until it is mended again after that: doubles from first to longest. */
export const pause = { firstMs: 1000, longestMs: 30_000 } as const;
/** Milliseconds for which a mend must hold until whoever undid it counts as gone; long enough for two rounds of comparing. */
export const holdsMs = 90_000;
/** Milliseconds for which a mend must hold until it is not called contested any more, at least. */
export const settledMs = 10_000;
/** Comparing in vain takes at most one part in so many of the forwarder's time, whoever makes it compare. */
const share = 5;
/** Milliseconds for which comparing that found nothing is put off at most. */
const longestShareMs = 1000;

interface Entry {
  /** How many times in a row each difference was found. */
  readonly counts: ReadonlyMap<string, number>;
  /** When something was mended last. */
  readonly mendedAt: number;
  /** When it may be compared again, whatever was found. */
  readonly rested: number;
  /** It was said already that somebody undoes them. */
  readonly told: boolean;
}

/** Something that is undone again and again. */
export interface Contested {
  readonly what: string;
  /** At least so many times; told in powers of two, as what is told shall not change each time. */
  readonly times: number;
}

/** What came of comparing. */
export interface Compared {
  /** What somebody undoes again and again; empty when nothing. */
  readonly contested: readonly Contested[];
  /** It was not said yet. */
  readonly news: boolean;
}

/** Times are milliseconds of a monotonic clock. */
export class MendPace {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds until a connection is to be compared; 0: now. */
  waitMs(id: string): number {
    const entry = this.#entries.get(id);
    if (!entry) return 0;
    return Math.max(0, entry.rested - this.#now(), entry.mendedAt + pauseMs(entry) - this.#now());
  }

  /** What somebody undoes again and again, whether or not it is as it should be just now. */
  contested(id: string): readonly Contested[] {
    return againAndAgain(this.#entries.get(id)?.counts ?? new Map());
  }

  /** How many times in a row a difference was found. */
  times(id: string, what: string): number {
    return this.#entries.get(id)?.counts.get(what) ?? 0;
  }

  /**
   * A connection was compared.
   * @param found what was other than wanted, and was mended.
   * @param tookMs how long it took.
   */
  compared(id: string, found: readonly string[], tookMs: number): Compared {
    const now = this.#now();
    const before = this.#entries.get(id);
    const mendedAt = before?.mendedAt ?? Number.NEGATIVE_INFINITY;
    const held = now - mendedAt >= holdsMs;
    const counts = new Map(held ? [] : before?.counts);
    for (const one of found) counts.set(one, (counts.get(one) ?? 0) + 1);
    const again = againAndAgain(counts);
    const settled = found.length === 0 && now - mendedAt >= Math.max(settledMs, pauseMs({ counts }));
    const told = before?.told === true && !held;
    this.#entries.set(id, {
      counts,
      mendedAt: found.length > 0 ? now : mendedAt,
      rested: found.length > 0 ? now : now + Math.min((share - 1) * tookMs, longestShareMs),
      told: told || again.length > 0,
    });
    return { contested: settled ? [] : again, news: again.length > 0 && !told };
  }

  /** Milliseconds after which one that is contested is looked at again, whether or not somebody is heard. */
  lookAgainMs(id: string): number {
    const { mendedAt = 0, counts = new Map<string, number>() } = this.#entries.get(id) ?? {};
    return Math.max(0, mendedAt + Math.max(settledMs, pauseMs({ counts })) - this.#now());
  }

  /** Forgets all connections but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#entries.keys()) if (!ids.has(id)) this.#entries.delete(id);
  }
}

function againAndAgain(counts: ReadonlyMap<string, number>): readonly Contested[] {
  return [...counts].flatMap(([what, count]) =>
    count >= atOnce ? [{ what, times: Math.max(atOnce, 2 ** Math.floor(Math.log2(count))) }] : [],
  );
}

function pauseMs({ counts }: Pick<Entry, 'counts'>): number {
  const most = Math.max(0, ...counts.values());
  if (most < atOnce) return 0;
  return Math.min(pause.firstMs * 2 ** (most - atOnce), pause.longestMs);
}
