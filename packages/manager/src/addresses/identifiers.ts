// Tunnel identifiers (VNI, GRE key, MPLS label) that are in use on this node: one number space for all kinds.
import { randomInt } from 'node:crypto';
import { NsmError } from '@nsm/api';

/**
 * The smallest space among the kinds is the MPLS label's 20 bits, of which 0 to 15 are reserved (RFC 3032, 2.1).
 * Taking every identifier from there lets any kind of tunnel use it.
 */
const lowest = 16;
const highest = 0xfffff;

/** Identifiers held by a request until its tunnel is agreed on. */
export interface Reservation {
  readonly identifiers: readonly number[];
  /** Gives all others back. */
  keepOnly(identifier: number): void;
  /** Gives back what is still held. */
  release(): void;
}

export class Identifiers {
  readonly #taken = new Set<number>();

  /**
   * Reserves identifiers that are free here; the other manager takes the first of them that is free on its node too.
   * Identifiers are drawn at random, so that managers that draw at the same moment rarely meet.
   * @throws NsmError `no-identifier` when the space is full.
   */
  propose(count: number): Reservation {
    const mine = new Set<number>();
    for (let tries = 0; mine.size < count && tries < 64 * count; tries++) {
      const candidate = randomInt(lowest, highest + 1);
      if (this.take(candidate)) mine.add(candidate);
    }
    if (mine.size === 0)
      throw new NsmError('no-identifier', 'no tunnel identifier is free on this node; close connections');
    const drop = (identifier: number): void => {
      if (mine.delete(identifier)) this.release(identifier);
    };
    return {
      identifiers: [...mine],
      keepOnly: (kept) => [...mine].filter((identifier) => identifier !== kept).forEach(drop),
      release: () => [...mine].forEach(drop),
    };
  }

  /** Takes an identifier if it is free and in range. */
  take(identifier: number): boolean {
    if (identifier < lowest || identifier > highest || this.#taken.has(identifier)) return false;
    this.#taken.add(identifier);
    return true;
  }

  release(identifier: number): void {
    this.#taken.delete(identifier);
  }

  get size(): number {
    return this.#taken.size;
  }
}
