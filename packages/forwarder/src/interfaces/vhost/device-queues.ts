// What a vhost-user device moves packets by: straight between the driver's memory and a descriptor.
import { memory, SharedMemory } from '@nsm/netlink';
import { settle, signal } from '../tap/event-fd.js';
import { spill } from '../tap/frame-sizes.js';
import type { Moved, ReceiveQueue, SendQueue } from '../tap/session.js';
import { type Chain, type DeviceRing, makeChain, maxPieces, require } from './device-ring.js';

/** A ring with its descriptors, of which a driver that polls has no `call`. */
export interface DeviceQueue {
  readonly ring: DeviceRing;
  /** By it the driver wakes the device, and the other way round. */
  readonly kick: number;
  readonly call: number | undefined;
}

/** Packets whose headers are written together. */
const together = 64;
/** −EFAULT */
const noMemory = -14;
/** Where in a header stands how many chains a packet takes; headers of the first kind have no such field. */
const buffersAt = 10;

/** Packets that the driver sends. */
export class DeviceReceiveQueue implements ReceiveQueue {
  readonly eventfd: number;
  readonly #queue: DeviceQueue;
  readonly #headerSize: number;
  readonly #chain = makeChain();
  readonly #vectors = Buffer.alloc(memory.vectorSize * maxPieces);

  /** @param headerSize bytes before each frame. */
  constructor(queue: DeviceQueue, headerSize: number) {
    this.eventfd = queue.kick;
    this.#queue = queue;
    this.#headerSize = headerSize;
  }

  drainTo(fd: number, budget: number, moved: Moved): boolean {
    const { ring, call } = this.#queue;
    settle(this.eventfd);
    const ready = Math.min(ring.look(), budget);
    if (ready > 0) {
      ring.prepare(ready);
      for (let nth = 0; nth < ready; nth++) {
        this.#packet(nth, fd, moved);
        ring.use(nth, 0);
      }
      ring.giveBack(ready);
    }
    const more = ring.look() > 0;
    if (ready > 0 && call !== undefined && ring.wantsCalls) signal(call);
    if (more || ring.wantsKicks) {
      if (more) ring.wantsKicks = false;
      return more;
    }
    ring.wantsKicks = true;
    // What came before kicks were wanted again has sent none.
    return ring.look() > 0;
  }

  #packet(nth: number, fd: number, moved: Moved): void {
    const chain = this.#chain;
    const bytes = this.#queue.ring.read(nth, chain, false) ? chain.total - this.#headerSize : 0;
    // Nothing of what can be in a header is agreed on.
    const pieces = bytes > 0 ? putChain(this.#vectors, 0, chain, this.#headerSize, chain.total) : 0;
    if (bytes > 0 && memory.writeVectors(fd, this.#vectors, pieces) === bytes) {
      moved.packets++;
      moved.bytes += bytes;
    } else moved.drops++;
  }
}

export interface DeviceSendOptions {
  /** Bytes before each frame. */
  readonly headerSize: number;
  /** Whether a frame may go on in the next chain. */
  readonly mergeable: boolean;
  /** Bytes of the largest frame. */
  readonly largestFrame: number;
}

/** Packets to the driver. */
export class DeviceSendQueue implements SendQueue {
  readonly eventfd: number;
  readonly #queue: DeviceQueue;
  readonly #options: DeviceSendOptions;
  readonly #chain = makeChain();
  /** Headers to be written. */
  readonly #own: SharedMemory;
  readonly #headers: Uint16Array;
  readonly #headerVectors: Buffer;
  #headerPieces = 0;
  /** Where the next packet goes: bytes of each of its chains, and its pieces. */
  readonly #chains: number[] = [];
  readonly #vectors = Buffer.alloc(memory.vectorSize * (2 * maxPieces + 1));
  #pieces = 0;

  constructor(queue: DeviceQueue, options: DeviceSendOptions) {
    this.eventfd = queue.kick;
    this.#queue = queue;
    this.#options = options;
    this.#own = SharedMemory.create('nsm-vhost', together * options.headerSize);
    this.#headers = new Uint16Array(this.#own.bytes);
    this.#headerVectors = Buffer.alloc(memory.vectorSize * together * options.headerSize);
  }

  close(): void {
    this.#own.close();
  }

  fillFrom(fd: number, budget: number, moved: Moved): 'empty' | 'full' | 'more' {
    this.#queue.ring.wantsKicks = false;
    for (let left = budget; left > 0; left -= together) {
      const outcome = this.#some(fd, Math.min(left, together), moved);
      if (outcome !== 'more') return outcome;
    }
    return 'more';
  }

  #some(fd: number, budget: number, moved: Moved): 'empty' | 'full' | 'more' {
    const { ring, call } = this.#queue;
    let outcome: 'empty' | 'full' | 'more' = 'more';
    let packets = 0;
    let used = 0;
    this.#headerPieces = 0;
    while (packets < budget && outcome === 'more') {
      const before = this.#headerPieces;
      const room = this.#gather(used);
      const length = room < 0 ? 0 : memory.readVectors(fd, this.#vectors, this.#pieces);
      if (length === noMemory) throw new Error('the driver has taken its memory away');
      if (length > 0 && length <= room) {
        used += this.#note(packets++, used, length);
        moved.packets++;
        moved.bytes += length;
        continue;
      }
      this.#headerPieces = before;
      if (length > 0) moved.drops++;
      else outcome = room < 0 ? 'full' : 'empty';
    }
    if (packets > 0) {
      const written = memory.readVectorsAt(this.#own.fd, this.#headerVectors, this.#headerPieces, 0);
      require(written, packets * this.#options.headerSize);
      ring.giveBack(used);
      ring.look();
      if (call !== undefined && ring.wantsCalls) signal(call);
    }
    return outcome;
  }

  /** Collects room for any packet. @returns its bytes; −1 when the driver has lent too little. */
  #gather(nth: number): number {
    const { headerSize, mergeable, largestFrame } = this.#options;
    const { ring } = this.#queue;
    const chain = this.#chain;
    this.#chains.length = 0;
    this.#pieces = 0;
    let room = -headerSize;
    do {
      const at = nth + this.#chains.length;
      if (!this.#has(at + 1)) {
        ring.wantsKicks = true;
        if (!this.#has(at + 1)) return -1;
      }
      if (!ring.read(at, chain, true) || chain.total < headerSize)
        throw new Error('a buffer outside of the memory');
      const skipped = room < 0 ? headerSize : 0;
      this.#headerPieces = putChain(this.#headerVectors, this.#headerPieces, chain, 0, skipped);
      this.#pieces = putChain(this.#vectors, this.#pieces, chain, skipped, chain.total);
      this.#chains.push(chain.total);
      room += chain.total;
    } while (mergeable && room < largestFrame && this.#pieces < maxPieces);
    memory.putVector(this.#vectors, this.#pieces++, spill.address, spill.bytes.length);
    return room;
  }

  #has(chains: number): boolean {
    const { ring } = this.#queue;
    return ring.prepare(chains) >= chains || (ring.look() >= chains && ring.prepare(chains) >= chains);
  }

  /** @returns how many chains a packet of `length` bytes has taken. */
  #note(packet: number, nth: number, length: number): number {
    const { headerSize } = this.#options;
    let rest = headerSize + length;
    let taken = 0;
    while (rest > 0) {
      const part = Math.min(rest, this.#chains[taken] ?? rest);
      this.#queue.ring.use(nth + taken++, part);
      rest -= part;
    }
    if (headerSize > buffersAt) this.#headers[(packet * headerSize + buffersAt) / 2] = taken;
    return taken;
  }
}

/** Appends bytes `from` to `to` of a chain to `struct iovec`s, of which there are `count`. @returns how many there are then. */
function putChain(vectors: Buffer, count: number, chain: Chain, from: number, to: number): number {
  let pieces = count;
  let begin = 0;
  for (let piece = 0; piece < chain.count && begin < to; piece++) {
    const [address = 0, length = 0] = [chain.addresses[piece], chain.lengths[piece]];
    const [first, last] = [Math.max(from, begin), Math.min(to, begin + length)];
    if (first < last) memory.putVector(vectors, pieces++, address + first - begin, last - first);
    begin += length;
  }
  return pieces;
}
