// Tunnels that end in a device of the kernel's own, which looks neither at the sender nor for fragments: eBPF does for it.
import { createHash, randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { nextInRound } from './round-robin.js';
import type { TunnelTraffic } from './tunnel-counters.js';
import { ofTheKernel, type TunnelMaps } from './tunnel-maps.js';
import type { TunnelEntry } from './tunnel-structures.js';

interface Guarded {
  /** Stands for the device in the maps. */
  readonly number: number;
  readonly entry: TunnelEntry;
}

/** Tunnels that one forwarder may guard at the same time, and forwarders whose numbers are apart: together all numbers. */
const rangeSize = 2 ** 18;
const ranges = 2 ** 13;

export class GuardedTunnels {
  readonly #maps: TunnelMaps;
  readonly #byId = new Map<string, Guarded>();
  /** Keys of their counters. */
  readonly #numbers = new Set<number>();
  /** The first of this forwarder's numbers. */
  readonly #first: number;
  #next = randomInt(rangeSize);

  /**
   * @param owner tells this forwarder from others beside it on the same maps, and is the same after a restart: entries
   * of the former process are swept, those of other forwarders are not.
   */
  constructor(maps: TunnelMaps, owner: string) {
    this.#maps = maps;
    const range = createHash('sha256').update(owner).digest().readUInt32LE() % ranges;
    this.#first = ofTheKernel + range * rangeSize;
  }

  get entries(): TunnelEntry[] {
    return [...this.#byId.values()].map(({ entry }) => entry);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Whether a number stands for a tunnel that is guarded; numbers of other forwarders are taken to. */
  isLiving(number: number): boolean {
    return this.#numbers.has(number) || number < this.#first || number >= this.#first + rangeSize;
  }

  /**
   * @param id of the cross-connect.
   * @param shared a program or device beside the mesh may want packets of that kind.
   */
  add(id: string, entry: TunnelEntry, shared: boolean): void {
    const before = this.#byId.get(id);
    if (before && !isDeepStrictEqual(before.entry, entry)) this.remove(id);
    const { number } = this.#byId.get(id) ?? { number: this.#free() };
    this.#maps.guard(number, entry);
    this.#maps.serve(entry, shared, true);
    this.#byId.set(id, { number, entry });
    this.#numbers.add(number);
  }

  /** @returns whether there was such a tunnel. */
  remove(id: string): boolean {
    const guarded = this.#byId.get(id);
    if (!guarded) return false;
    this.#byId.delete(id);
    this.#numbers.delete(guarded.number);
    this.#maps.unguard(guarded.number, guarded.entry);
    return true;
  }

  /** Counters of what was kept from the device. */
  refused(id: string): TunnelTraffic | undefined {
    const guarded = this.#byId.get(id);
    return guarded && this.#maps.traffic(guarded.number);
  }

  #free(): number {
    for (;;) {
      const number = this.#first + (this.#next++ % rangeSize);
      if (!this.#numbers.has(number)) return number;
    }
  }

  /** Brings back entries that were taken from the maps, of the next few tunnels. */
  mend(): void {
    for (const [, { number, entry }] of nextInRound(this.#byId))
      if (this.#maps.owner(entry) !== number) this.#maps.guard(number, entry);
  }
}
