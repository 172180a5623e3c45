// What all callers of a server have under way: each has a share, and all together have a bound.
import { NsmError } from '../errors.js';

export interface Bounds {
  readonly ofOne: number;
  readonly ofAll: number;
}

/** Of calls and of their bytes, as `Shared` has them. */
export interface CallBounds {
  /** Each is some 50 KB. */
  readonly streams: Bounds;
  readonly callBytes: Bounds;
}

/** What suits a server of few. */
export const boundsOfFew: CallBounds = {
  streams: { ofOne: 2048, ofAll: 8192 },
  callBytes: { ofOne: 16 << 20, ofAll: 64 << 20 },
};

/** Whose a call is. */
export interface Owner {
  /** The pod, host or manager. */
  readonly name: string;
  /** '' of root, whose pods are not one another's. A user may have four times as much as a pod. */
  readonly user: string;
}
const userFactor = 4;

const words: Readonly<Record<keyof CallBounds, string>> = {
  streams: 'too many calls',
  callBytes: 'too many bytes of calls',
};

export class UnderWay {
  readonly #bounds: CallBounds;
  /** By what it is and whose. */
  readonly #held = new Map<string, number>();

  constructor(bounds: CallBounds) {
    this.#bounds = bounds;
  }

  /**
   * Takes an amount until what is returned is called; called again, that does nothing.
   * @throws NsmError `overload` when the owner would have more than its share, or more than what is left to the others
   */
  take(what: keyof CallBounds, { name, user }: Owner, amount: number): () => void {
    const { ofOne, ofAll } = this.#bounds[what];
    const left = ofAll - this.#of(what);
    for (const [whose, most] of [
      [name, ofOne],
      [user, ofOne * userFactor],
    ] as const)
      if (whose !== '' && this.#of(`${what} ${whose}`) + amount > Math.min(most, left))
        throw new NsmError(
          'overload',
          `${whose} has ${words[what]} under way: ask again when some have ended`,
        );
    const names = [name, user].filter((whose) => whose !== '').map((whose) => `${what} ${whose}`);
    for (const each of [what, ...names]) this.#add(each, amount);
    let isHeld = true;
    return () => {
      if (isHeld) for (const each of [what, ...names]) this.#add(each, -amount);
      isHeld = false;
    };
  }

  #of(name: string): number {
    return this.#held.get(name) ?? 0;
  }

  #add(name: string, amount: number): void {
    const held = this.#of(name) + amount;
    if (held > 0) this.#held.set(name, held);
    else this.#held.delete(name);
  }
}
