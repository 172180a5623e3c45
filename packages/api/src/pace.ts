// How often each caller may do something: at once as often as a bucket holds, then as quickly as it fills.

export interface PaceLimits {
  readonly atOnce: number;
  readonly perSecond: number;
}

/** What is left in a bucket, and when that was counted, in milliseconds. */
interface Bucket {
  left: number;
  at: number;
}

/** A bucket for each of whom there are many; those that are full again are forgotten. */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #now: () => number;
  /** In the order of their last use, the latest last. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param now monotonic, milliseconds. */
  constructor(limits: PaceLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  get perSecond(): number {
    return this.#limits.perSecond;
  }

  /** Takes one from the caller's bucket; false when it is empty. */
  allows(who: string): boolean {
    const { atOnce, perSecond } = this.#limits;
    const now = this.#now();
    const { left, at } = this.#buckets.get(who) ?? { left: atOnce, at: now };
    const filled = Math.min(atOnce, left + ((now - at) / 1000) * perSecond);
    const allowed = filled >= 1;
    this.#buckets.delete(who);
    this.#buckets.set(who, { left: allowed ? filled - 1 : filled, at: now });
    for (const [oldest, { at: used }] of this.#buckets) {
      if (now - used < (atOnce / perSecond) * 1000) break;
      this.#buckets.delete(oldest);
    }
    return allowed;
  }
}
