// A ring of a memif: descriptors of buffers in shared memory, moved between two processes by two counters.
import type { SharedMemory } from '@nsm/netlink';

const cookie = 0x3e31f20;
/** Bytes before the descriptors, and of each. */
const headerSize = 128;
const descriptorSize = 16;
/** In flags of a ring: its consumer wants no interrupts. Of a descriptor: the packet goes on in the next. */
const maskInterrupt = 1;
const next = 1;

export const ringBytes = (log2Size: number): number => headerSize + (descriptorSize << log2Size);

/** A piece of a packet. */
export interface Piece {
  /** In this process. */
  address: number;
  length: number;
  /** The packet goes on in the next. */
  more: boolean;
}

/**
 * The client of a memif owns the memory: it puts packets for the server at `head` and gets back their buffers at `tail`;
 * on rings to the client it puts empty buffers at `head`, and the server fills them up to `tail`. Both count modulo 2¹⁶.
 * The peer may write anything at any moment: everything is read once, and checked before it is used.
 */
export class MemifRing {
  readonly size: number;
  readonly #mask: number;
  readonly #regions: readonly SharedMemory[];
  // In units of 16 and 32 bits from the start of the ring.
  readonly #short: Uint16Array;
  readonly #long: Uint32Array;

  /** @throws Error when it lies outside its region, or not at a multiple of 8 bytes. */
  constructor(regions: readonly SharedMemory[], region: number, offset: number, log2Size: number) {
    const memory = regions[region];
    const bytes = ringBytes(log2Size);
    if (!memory || log2Size > 14 || offset % 8 !== 0 || offset + bytes > memory.bytes.byteLength)
      throw new Error(`a ring at ${offset} of region ${region}, outside of it`);
    this.size = 1 << log2Size;
    this.#mask = this.size - 1;
    this.#regions = regions;
    this.#short = new Uint16Array(memory.bytes, offset, bytes / 2);
    this.#long = new Uint32Array(memory.bytes, offset, bytes / 4);
  }

  /** Writes the header of a new ring. */
  format(): void {
    this.#long[0] = cookie;
    this.#short[2] = 0;
    this.head = 0;
    this.tail = 0;
  }

  get formatted(): boolean {
    return this.#long[0] === cookie;
  }

  get head(): number {
    return Atomics.load(this.#short, 3);
  }
  set head(value: number) {
    Atomics.store(this.#short, 3, value);
  }
  get tail(): number {
    return Atomics.load(this.#short, 32);
  }
  set tail(value: number) {
    Atomics.store(this.#short, 32, value);
  }

  /** Whether whoever takes from the ring wants to be woken. */
  get wantsInterrupt(): boolean {
    return (Atomics.load(this.#short, 2) & maskInterrupt) === 0;
  }
  set wantsInterrupt(wants: boolean) {
    Atomics.store(this.#short, 2, wants ? 0 : maskInterrupt);
  }

  /** Reads a descriptor. False when it points outside of the memory. */
  read(slot: number, piece: Piece): boolean {
    const at = headerSize + (slot & this.#mask) * descriptorSize;
    const memory = this.#regions[this.#short[at / 2 + 1] ?? -1];
    const length = this.#long[at / 4 + 1] ?? 0;
    const offset = this.#long[at / 4 + 2] ?? 0;
    if (!memory || offset + length > memory.bytes.byteLength) return false;
    piece.address = memory.address + offset;
    piece.length = length;
    piece.more = ((this.#short[at / 2] ?? 0) & next) !== 0;
    return true;
  }

  /** Says how much of a buffer is a packet's, and whether that goes on in the next. */
  fill(slot: number, length: number, more: boolean): void {
    const at = headerSize + (slot & this.#mask) * descriptorSize;
    this.#short[at / 2] = more ? next : 0;
    this.#long[at / 4 + 1] = length;
  }

  /** Gives a slot its buffer, empty. */
  place(slot: number, region: number, offset: number, length: number): void {
    const at = headerSize + (slot & this.#mask) * descriptorSize;
    this.#short[at / 2] = 0;
    this.#short[at / 2 + 1] = region;
    this.#long[at / 4 + 1] = length;
    this.#long[at / 4 + 2] = offset;
    this.#long[at / 4 + 3] = 0;
  }
}
