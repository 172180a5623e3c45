// The memory of a vhost-user driver, by the two kinds of addresses that it names it by.
import { ForeignMemory } from '@nsm/netlink';
import { takeDescriptor } from '../tap/event-fd.js';
import type { MemoryShare } from '../tap/memory-shares.js';
import type { Region } from './vhost-messages.js';

interface Mapped extends Region {
  readonly fd: number;
  readonly memory: ForeignMemory;
  readonly giveBack: () => void;
}

export class DriverMemory {
  /** Of what is shared with the driver. */
  readonly share: MemoryShare;
  readonly #regions: Mapped[] = [];
  /** Where the last address was: the next is most often there too. */
  #last: Mapped | undefined;

  /** @param descriptors one for each region, of which those of mapped regions are taken out. @throws Error, then nothing is mapped */
  constructor(regions: readonly Region[], descriptors: number[], share: MemoryShare) {
    this.share = share;
    try {
      for (const region of regions) this.#map(region, takeDescriptor(descriptors));
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
    for (const { fd, memory, giveBack } of this.#regions.splice(0)) {
      memory.close();
      giveBack();
      // Last: whoever lets go of a file at last frees its memory, and there may be more of it than was mapped.
      this.share.letGo(fd);
    }
    this.#last = undefined;
  }

  /** @param fd taken over. */
  #map(region: Region, fd: number): void {
    const size = region.offset + region.size;
    let giveBack: (() => void) | undefined;
    try {
      giveBack = this.share.take(fd, size);
      this.#regions.push({ ...region, fd, giveBack, memory: ForeignMemory.map(fd, size) });
    } catch (error) {
      giveBack?.();
      this.share.letGo(fd);
      throw error;
    }
  }
}

function isWithin(address: number, length: number, from: number, size: number): boolean {
  return address >= from && address + length <= from + size;
}
