// The memory of a vhost-user driver, by the two kinds of addresses that it names it by.
import { ForeignMemory } from '@nsm/netlink';
import type { MemoryShare } from '../tap/memory-shares.js';
import type { Region } from './vhost-messages.js';

interface Mapped extends Region {
  readonly memory: ForeignMemory;
  readonly giveBack: () => void;
}

export class DriverMemory {
  /** Of what is shared with the driver. */
  readonly share: MemoryShare;
  readonly #regions: Mapped[] = [];
  /** Where the last address was: the next is most often there too. */
  #last: Mapped | undefined;

  /** @param descriptors one for each region; they stay the caller's. @throws Error, then nothing is mapped */
  constructor(regions: readonly Region[], descriptors: readonly number[], share: MemoryShare) {
    this.share = share;
    try {
      for (const [index, region] of regions.entries()) {
        const fd = descriptors[index];
        if (fd === undefined) throw new Error('a region of memory without its descriptor');
        const size = region.offset + region.size;
        const giveBack = share.take(fd, size);
        try {
          this.#regions.push({ ...region, memory: ForeignMemory.map(fd, size), giveBack });
        } catch (error) {
          giveBack();
          throw error;
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Where the bytes of a buffer are in this process; −1 when they are not all in one region. */
  ofGuest(address: number, length: number): number {
    if (!this.#last || !isWithin(address, length, this.#last.guest, this.#last.size))
      this.#last = this.#regions.find(({ guest, size }) => isWithin(address, length, guest, size));
    return this.#last ? this.#last.memory.address + this.#last.offset + (address - this.#last.guest) : -1;
  }

  /** Where the bytes of a ring are. @throws Error when they are not all in one region. */
  ofUser(address: number, length: number): number {
    const region = this.#regions.find(({ user, size }) => isWithin(address, length, user, size));
    if (!region) throw new Error('a ring outside of the memory');
    return region.memory.address + region.offset + (address - region.user);
  }

  close(): void {
    for (const { memory, giveBack } of this.#regions.splice(0)) {
      memory.close();
      giveBack();
    }
    this.#last = undefined;
  }
}

function isWithin(address: number, length: number, from: number, size: number): boolean {
  return address >= from && address + length <= from + size;
}
