// Tunnels that end in a device of the kernel's own, which looks neither at the sender nor for fragments: eBPF does for it.
import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { nextOf } from './next-of.js';
import { ofTheKernel, type TunnelEntry, type TunnelMaps, type TunnelTraffic } from './tunnel-maps.js';

interface Guarded {
  /** Stands for the device in the maps. */
  readonly number: number;
  readonly entry: TunnelEntry;
}

export class GuardedTunnels {
  readonly #maps: TunnelMaps;
  readonly #byId = new Map<string, Guarded>();
  /** Another process beside this one, on the same maps, most likely begins elsewhere. */
  #next = ofTheKernel + randomInt(2 ** 30);

  constructor(maps: TunnelMaps) {
    this.#maps = maps;
  }

  get entries(): TunnelEntry[] {
    return [...this.#byId.values()].map(({ entry }) => entry);
  }

  /** Keys of their counters. */
  get numbers(): number[] {
    return [...this.#byId.values()].map(({ number }) => number);
  }

  /**
   * @param id of the cross-connect.
   * @param shared somebody else may want packets of that kind.
   */
  add(id: string, entry: TunnelEntry, shared: boolean): void {
    const before = this.#byId.get(id);
    if (before && !isDeepStrictEqual(before.entry, entry)) this.remove(id);
    const { number } = this.#byId.get(id) ?? { number: this.#next++ };
    this.#maps.guard(number, entry);
    this.#maps.serve(entry, shared, true);
    this.#byId.set(id, { number, entry });
  }

  remove(id: string): void {
    const guarded = this.#byId.get(id);
    if (!guarded) return;
    this.#byId.delete(id);
    this.#maps.unguard(guarded.number, guarded.entry);
  }

  /** Counters of what was kept from the device. */
  refused(id: string): TunnelTraffic | undefined {
    const guarded = this.#byId.get(id);
    return guarded && this.#maps.traffic(guarded.number);
  }

  /** Brings back the entries that someone took from the next few. */
  mend(): void {
    for (const [, { number, entry }] of nextOf(this.#byId))
      if (this.#maps.owner(entry) !== number) this.#maps.guard(number, entry);
  }
}
