// A virtqueue in memory of our own, as its driver sees it: every descriptor is one buffer for a header and a frame.
import type { RingAddresses } from './vhost-messages.js';

const descriptorSize = 16;
/** Of a descriptor: the device writes it. In the flags of either side: it need not be woken. */
const writable = 2;
const quietly = 1;

/** Where the parts of a ring are from its start, bytes. */
function layout(size: number) {
  const available = size * descriptorSize;
  const used = Math.ceil((available + 6 + 2 * size) / 64) * 64;
  return { available, used, all: Math.ceil((used + 6 + 8 * size) / 64) * 64 };
}

export const ringBytes = (size: number): number => layout(size).all;

/** The device may write anything at any moment: everything is read once, and checked before it is used. */
export class DriverRing {
  readonly size: number;
  readonly #mask: number;
  readonly #available: number;
  readonly #used: number;
  // From the start of the ring, in units of 16 and 32 bits.
  readonly #short: Uint16Array;
  readonly #long: Uint32Array;
  /** Counts of buffers lent and taken back, modulo 2¹⁶. */
  #lent = 0;
  #back = 0;

  constructor(bytes: ArrayBuffer, offset: number, size: number) {
    this.size = size;
    this.#mask = size - 1;
    const { available, used, all } = layout(size);
    this.#available = available;
    this.#used = used;
    this.#short = new Uint16Array(bytes, offset, all / 2);
    this.#long = new Uint32Array(bytes, offset, all / 4);
  }

  /** @param address of its start. */
  addresses(index: number, address: number): RingAddresses {
    return {
      index,
      descriptors: address,
      available: address + this.#available,
      used: address + this.#used,
    };
  }

  /** Says which buffer a descriptor is of. */
  describe(id: number, address: number, length: number, forDevice: boolean): void {
    const at = (id * descriptorSize) / 4;
    this.#long[at] = address >>> 0;
    this.#long[at + 1] = Math.floor(address / 2 ** 32);
    this.#long[at + 2] = length;
    this.#long[at + 3] = forDevice ? writable : 0;
  }

  /** Says how much of its buffer a packet takes. */
  fill(id: number, length: number): void {
    this.#long[(id * descriptorSize) / 4 + 2] = length;
  }

  /** Lends a buffer; the device sees it after {@link publish}. */
  lend(id: number): void {
    this.#short[this.#available / 2 + 2 + (this.#lent & this.#mask)] = id;
    this.#lent = (this.#lent + 1) & 0xffff;
  }

  publish(): void {
    Atomics.store(this.#short, this.#available / 2 + 1, this.#lent);
  }

  /** How many buffers the device has done with. @throws Error when the device gives back more than it was lent. */
  get ready(): number {
    const ready = (Atomics.load(this.#short, this.#used / 2 + 1) - this.#back) & 0xffff;
    if (ready > this.size) throw new Error('more buffers than the ring can hold');
    return ready;
  }

  /** Takes the next buffer back. @throws Error when the buffer is none of ours. */
  takeBack(entry: { id: number; length: number }): void {
    const at = this.#used / 4 + 1 + (this.#back & this.#mask) * 2;
    this.#back = (this.#back + 1) & 0xffff;
    entry.id = this.#long[at] ?? 0;
    entry.length = this.#long[at + 1] ?? 0;
    if (entry.id >= this.size) throw new Error('a descriptor outside of the ring');
  }

  /** Whether the device wants to be told of what is lent. */
  get wantsKicks(): boolean {
    return (Atomics.load(this.#short, this.#used / 2) & quietly) === 0;
  }

  set wantsCalls(wants: boolean) {
    Atomics.store(this.#short, this.#available / 2, wants ? 0 : quietly);
  }
}
