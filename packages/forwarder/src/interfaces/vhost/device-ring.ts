// A virtqueue of a driver, as its device sees it (split ring, Virtual I/O Device specification 1.2, section 2.7).
import { memory, SharedMemory } from '@nsm/netlink';
import { takeOwn } from '../tap/memory-shares.js';
import type { DriverMemory } from './driver-memory.js';
import type { RingAddresses } from './vhost-messages.js';

/** More pieces than that have no packet; UIO_MAXIOV is larger. */
export const maxPieces = 64;
/** Largest ring, descriptors. */
const maxRingSize = 4096;
const descriptorSize = 16;
const usedSize = 8;
/** Of a descriptor: the buffer goes on in the next; the device writes it; it holds descriptors itself. */
const next = 1;
const writable = 2;
const indirect = 4;
/** In the flags of either side: it need not be woken. In the used ring they are bit 0 of a word whose upper half counts. */
const quietly = 1;
const flagBit = 0;
const countBit = 16;

/** The buffers of one packet, by their addresses in this process. */
export interface Chain {
  count: number;
  readonly addresses: Float64Array;
  readonly lengths: Float64Array;
  /** Bytes of all. */
  total: number;
}

export const makeChain = (): Chain => ({
  count: 0,
  total: 0,
  addresses: new Float64Array(maxPieces),
  lengths: new Float64Array(maxPieces),
});

/**
 * The driver may take its memory away, so only the kernel touches it: what is read of the ring is copied into a file in
 * memory of our own (pwrite(2) from there), and what is written comes out of it (pread(2) to there). What is copied in is
 * checked before it is used, and not read again.
 */
export class DeviceRing {
  readonly size: number;
  readonly #memory: DriverMemory;
  readonly #descriptors: number;
  readonly #available: number;
  readonly #used: number;
  readonly #copy: SharedMemory;
  readonly #giveBack: () => void;
  readonly #tableAt: number;
  readonly #usedAt: number;
  /** Of the copy, in units of 16 and 32 bits. */
  readonly #short: Uint16Array;
  readonly #long: Uint32Array;
  readonly #vectors = Buffer.alloc(2 * memory.vectorSize);
  /** Counts, modulo 2¹⁶: of chains used, of chains whose descriptors are copied, of chains made available. */
  #next = 0;
  #copied = 0;
  #end = 0;
  #flags = 0;
  #wantsKicks = true;

  /** @throws Error when it is not wholly within the memory, or where it may not be. */
  constructor(driver: DriverMemory, size: number, { descriptors, available, used }: RingAddresses) {
    if (size < 2 || size > maxRingSize || !Number.isInteger(Math.log2(size)))
      throw new Error(`a ring of ${size} descriptors`);
    if (descriptors % 16 !== 0 || available % 2 !== 0 || used % 4 !== 0)
      throw new Error('a ring out of alignment');
    this.size = size;
    this.#memory = driver;
    this.#descriptors = driver.ofUser(descriptors, size * descriptorSize);
    this.#available = driver.ofUser(available, 4 + 2 * size);
    this.#used = driver.ofUser(used, 4 + usedSize * size);
    // Flags and count of what is available; its ring; descriptors; entries to be used. Of the driver's ring and
    // descriptors, which lie apart, one call copies all.
    this.#tableAt = 8 + 2 * size;
    this.#usedAt = this.#tableAt + descriptorSize * size;
    this.#copy = SharedMemory.create('nsm-vhost', this.#usedAt + usedSize * size);
    this.#giveBack = takeOwn(driver.share, this.#copy);
    this.#short = new Uint16Array(this.#copy.bytes);
    this.#long = new Uint32Array(this.#copy.bytes);
    memory.putVector(this.#vectors, 0, this.#available + 4, 2 * size);
    memory.putVector(this.#vectors, 1, this.#descriptors, descriptorSize * size);
    try {
      // All that was taken has been used: what the used ring counts is where the last device of this ring was.
      this.#in(this.#used, 4);
      this.#next = this.#short[1] ?? 0;
      this.#copied = this.#next;
      this.#end = this.#next;
      change(this.#used, 'clear', flagBit);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#copy.close();
    this.#giveBack();
  }

  /** Chains used so far, modulo 2¹⁶: where the next device of this ring goes on. */
  get position(): number {
    return this.#next;
  }

  /** Whether the driver wants to be told of what is used, when it was looked at last. */
  get wantsCalls(): boolean {
    return (this.#flags & quietly) === 0;
  }

  set wantsKicks(wants: boolean) {
    if (wants === this.#wantsKicks) return;
    this.#wantsKicks = wants;
    change(this.#used, wants ? 'clear' : 'set', flagBit);
  }
  get wantsKicks(): boolean {
    return this.#wantsKicks;
  }

  /** @returns how many chains are available. @throws Error when there are more than can be, or no memory any more. */
  look(): number {
    for (let again = false; ; again = true) {
      this.#in(this.#available, 4);
      const [flags = 0, end = 0] = this.#short;
      const ready = (end - this.#next) & 0xffff;
      // A copy may be made between the two bytes of a change; that is when the upper one changes.
      const whole = again || (((end ^ this.#end) & 0xff00) === 0 && ready <= this.size);
      if (!whole) continue;
      if (ready > this.size) throw new Error('more buffers than the ring can hold');
      this.#end = end;
      this.#flags = flags;
      return ready;
    }
  }

  /** How many of the available chains can be read; copies what is known and not copied, when there are fewer than wanted. */
  prepare(wanted: number): number {
    const have = (this.#copied - this.#next) & 0xffff;
    if (have >= wanted || this.#copied === this.#end) return have;
    require(memory.writeVectorsAt(this.#copy.fd, this.#vectors, 2, 8), this.#usedAt - 8);
    this.#copied = this.#end;
    return (this.#copied - this.#next) & 0xffff;
  }

  /**
   * Reads the chain `nth` from the next; it must be prepared.
   * @param forDevice whether the device is to write it.
   * @returns false when it is not as it must be. @throws Error when there is none.
   */
  read(nth: number, chain: Chain, forDevice: boolean): boolean {
    const mask = this.size - 1;
    let index = this.#head(nth);
    chain.count = 0;
    chain.total = 0;
    for (;;) {
      const at = (this.#tableAt + index * descriptorSize) / 4;
      const address = (this.#long[at] ?? 0) + (this.#long[at + 1] ?? 0) * 2 ** 32;
      const length = this.#long[at + 2] ?? 0;
      const flags = this.#short[at * 2 + 6] ?? 0;
      const place = this.#memory.ofGuest(address, length);
      const fits = (flags & indirect) === 0 && ((flags & writable) !== 0) === forDevice;
      if (!fits || place < 0 || chain.count === maxPieces) return false;
      chain.addresses[chain.count] = place;
      chain.lengths[chain.count++] = length;
      chain.total += length;
      if ((flags & next) === 0) return true;
      index = (this.#short[at * 2 + 7] ?? 0) & mask;
    }
  }

  /** Notes how many bytes were written to the chain `nth` from the next. */
  use(nth: number, length: number): void {
    const at = (this.#usedAt + ((this.#next + nth) & (this.size - 1)) * usedSize) / 4;
    this.#long[at] = this.#head(nth);
    this.#long[at + 1] = length;
  }

  /** Gives the next `count` chains back as they were noted. */
  giveBack(count: number): void {
    const first = this.#next & (this.size - 1);
    const straight = Math.min(count, this.size - first);
    this.#out(first, straight);
    if (count > straight) this.#out(0, count - straight);
    // Each step is a count that is true: all entries are there already.
    for (let bit = 0; count >> bit > 0; bit++)
      if ((count >> bit) & 1) change(this.#used, 'add', countBit + bit);
    this.#next = (this.#next + count) & 0xffff;
  }

  #head(nth: number): number {
    const head = this.#short[4 + ((this.#next + nth) & (this.size - 1))] ?? 0;
    if (head >= this.size) throw new Error('a descriptor outside of the ring');
    return head;
  }

  #in(from: number, bytes: number, to = 0): void {
    require(memory.writeFromAt(this.#copy.fd, from, bytes, to), bytes);
  }

  #out(slot: number, count: number): void {
    const bytes = count * usedSize;
    const to = this.#used + 4 + slot * usedSize;
    require(memory.readToAt(this.#copy.fd, to, bytes, this.#usedAt + slot * usedSize), bytes);
  }
}

/** @throws Error when not all was copied. */
export function require(result: number, bytes: number): void {
  if (result !== bytes) throw new Error('the driver has taken its memory away');
}

function change(address: number, what: 'add' | 'set' | 'clear', bit: number): void {
  require(memory.changeWord(address, what, bit), 0);
}
