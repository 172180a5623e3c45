// The memory of a vhost-user driver, by the two kinds of addresses that it names it by.
import { ForeignMemory } from '@nsm/netlink';
import type { Region } from './vhost-messages.js';

/** Bytes of all regions together. Pages that the driver never touched are made, and taken from us, when we do. */
const maxSize = 16 * 2 ** 30;

interface Mapped extends Region {
  readonly memory: ForeignMemory;
}

export class DriverMemory {
  readonly #regions: Mapped[] = [];
  /** Where the last address was: the next is most often there too. */
  #last: Mapped | undefined;

  /** @param descriptors one for each region; they stay the caller's. @throws Error, then nothing is mapped */
  constructor(regions: readonly Region[], descriptors: readonly number[]) {
    if (regions.reduce((sum, { size }) => sum + size, 0) > maxSize)
      throw new Error(`more memory than ${maxSize} bytes`);
    try {
      for (const [index, region] of regions.entries()) {
        const fd = descriptors[index];
        if (fd === undefined) throw new Error('a region of memory without its descriptor');
        this.#regions.push({ ...region, memory: ForeignMemory.map(fd, region.offset + region.size) });
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
    for (const { memory } of this.#regions.splice(0)) memory.close();
    this.#last = undefined;
  }
}

function isWithin(address: number, length: number, from: number, size: number): boolean {
  return address >= from && address + length <= from + size;
}
