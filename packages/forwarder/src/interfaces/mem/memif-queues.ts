// The queues by which a memif sends and receives, in either role.
import { memory } from '@nsm/netlink';
import { settle, signal } from '../tap/event-fd.js';
import { spill } from '../tap/frame-sizes.js';
import type { Moved, ReceiveQueue, SendQueue } from '../tap/session.js';
import type { MemifRing, Piece } from './memif-ring.js';

/** A ring with the descriptor by which its producer wakes its consumer. */
export interface Queue {
  readonly ring: MemifRing;
  readonly eventfd: number;
}

/** More pieces than that have no packet; UIO_MAXIOV is larger. */
const maxPieces = 64;

export class MemifReceiveQueue implements ReceiveQueue {
  readonly eventfd: number;
  readonly #ring: MemifRing;
  readonly #ofServer: boolean;
  readonly #bufferSize: number;
  readonly #piece: Piece = { address: 0, length: 0, more: false };
  readonly #vectors = Buffer.alloc(memory.vectorSize * maxPieces);
  #at: number;

  /** @param bufferSize of the buffers that a client gives to its server. */
  constructor({ ring, eventfd }: Queue, ofServer: boolean, bufferSize: number) {
    this.eventfd = eventfd;
    this.#ring = ring;
    this.#ofServer = ofServer;
    this.#bufferSize = bufferSize;
    this.#at = ofServer ? ring.tail : 0;
  }

  drainTo(fd: number, budget: number, moved: Moved): boolean {
    settle(this.eventfd);
    this.#ring.wantsInterrupt = false;
    this.#drain(fd, budget, moved);
    if (this.#at !== this.#end()) return true;
    this.#ring.wantsInterrupt = true;
    // What came before interrupts were wanted again has sent none.
    return this.#at !== this.#end();
  }

  #drain(fd: number, budget: number, moved: Moved): void {
    const end = this.#end();
    if (((end - this.#at) & 0xffff) > this.#ring.size) throw new Error('more packets than the ring can hold');
    let at = this.#at;
    for (let packets = 0; at !== end && packets < budget; packets++) at = this.#packet(fd, at, end, moved);
    this.#giveBack(at);
  }

  #end(): number {
    return this.#ofServer ? this.#ring.head : this.#ring.tail;
  }

  #packet(fd: number, from: number, end: number, moved: Moved): number {
    const piece = this.#piece;
    let pieces = 0;
    let bytes = 0;
    let whole = true;
    let at = from;
    do {
      if (!this.#ring.read(at, piece) || pieces === maxPieces) whole = false;
      else {
        memory.putVector(this.#vectors, pieces++, piece.address, piece.length);
        bytes += piece.length;
      }
      at = (at + 1) & 0xffff;
    } while (whole && piece.more && at !== end);
    const result = !whole
      ? -1
      : pieces === 1
        ? memory.writeFrom(fd, piece.address, piece.length)
        : memory.writeVectors(fd, this.#vectors, pieces);
    if (result === bytes) {
      moved.packets++;
      moved.bytes += bytes;
    } else moved.drops++;
    return at;
  }

  #giveBack(to: number): void {
    if (this.#ofServer) this.#ring.tail = to;
    else {
      const { head } = this.#ring;
      const taken = (to - this.#at) & 0xffff;
      for (let n = 0; n < taken; n++) this.#ring.fill(head + n, this.#bufferSize, false);
      this.#ring.head = (head + taken) & 0xffff;
    }
    this.#at = to;
  }
}

export class MemifSendQueue implements SendQueue {
  readonly #ring: MemifRing;
  readonly #eventfd: number;
  readonly #ofServer: boolean;
  readonly #bufferSize: number;
  /** Bytes of the largest frame. */
  readonly #largest: number;
  readonly #pieces: Piece[] = [];
  readonly #vectors = Buffer.alloc(memory.vectorSize * (maxPieces + 1));

  constructor({ ring, eventfd }: Queue, ofServer: boolean, bufferSize: number, largest: number) {
    this.#ring = ring;
    this.#eventfd = eventfd;
    this.#ofServer = ofServer;
    this.#bufferSize = bufferSize;
    this.#largest = largest;
  }

  fillFrom(fd: number, budget: number, moved: Moved): 'empty' | 'full' | 'more' {
    const ring = this.#ring;
    const start = this.#ofServer ? ring.tail : ring.head;
    const free = (this.#ofServer ? ring.head - start : ring.size - start + ring.tail) & 0xffff;
    if (free > ring.size) throw new Error('more buffers than the ring can hold');
    let used = 0;
    let outcome: 'empty' | 'full' | 'more' = 'more';
    for (let packets = 0; packets < budget && outcome === 'more'; packets++) {
      const taken = this.#packet(fd, start + used, free - used, moved);
      if (typeof taken === 'number') used += taken;
      else outcome = taken;
    }
    if (used > 0) {
      const end = (start + used) & 0xffff;
      if (this.#ofServer) ring.tail = end;
      else ring.head = end;
      if (ring.wantsInterrupt) signal(this.#eventfd);
    }
    return outcome;
  }

  /** @returns the slots taken; `'empty'`: there was no packet; `'full'`: there are too few slots for any packet. */
  #packet(fd: number, slot: number, free: number, moved: Moved): number | 'empty' | 'full' {
    let room = 0;
    let count = 0;
    while (room < this.#largest && count < free && count < maxPieces) {
      this.#pieces[count] ??= { address: 0, length: 0, more: false };
      const piece = this.#pieces[count] as Piece;
      // A client lends its own buffers: their sizes may have been changed by the packet before.
      if (!this.#ring.read(slot + count, piece)) throw new Error('a buffer outside of the memory');
      if (!this.#ofServer) piece.length = this.#bufferSize;
      memory.putVector(this.#vectors, count++, piece.address, piece.length);
      room += piece.length;
    }
    if (room < this.#largest) return 'full';
    memory.putVector(this.#vectors, count, spill.address, spill.bytes.length);
    const length = memory.readVectors(fd, this.#vectors, count + 1);
    if (length <= 0) return 'empty';
    if (length > room) {
      moved.drops++;
      return 0;
    }
    moved.packets++;
    moved.bytes += length;
    let rest = length;
    for (let n = 0; ; n++) {
      const part = Math.min(rest, this.#pieces[n]?.length ?? rest);
      rest -= part;
      this.#ring.fill(slot + n, part, rest > 0);
      if (rest === 0) return n + 1;
    }
  }
}
