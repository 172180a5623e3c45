// What a vhost-user driver of ours moves packets by: straight between its own memory and a descriptor.
import { memory } from '@nsm/netlink';
import { settle, signal } from '../tap/event-fd.js';
import { spill } from '../tap/frame-sizes.js';
import type { Moved, ReceiveQueue, SendQueue } from '../tap/session.js';
import type { DriverRing } from './driver-ring.js';

/** A ring with its buffers, and the descriptors by which either side wakes the other. */
export interface DriverQueue {
  readonly ring: DriverRing;
  readonly kick: number;
  readonly call: number;
  /** Where the buffers are in this process: one for each descriptor, side by side. */
  readonly buffers: number;
  readonly bufferSize: number;
}

/** Bytes before each frame: zeros, as none of what can be in them is agreed on. */
export const frameHeaderSize = 12;

/** Packets that the device sends. */
export class DriverReceiveQueue implements ReceiveQueue {
  readonly eventfd: number;
  readonly #queue: DriverQueue;
  readonly #entry = { id: 0, length: 0 };

  /** Lends the device all buffers. */
  constructor(queue: DriverQueue) {
    this.eventfd = queue.call;
    this.#queue = queue;
    for (let id = 0; id < queue.ring.size; id++) queue.ring.lend(id);
    queue.ring.publish();
  }

  drainTo(fd: number, budget: number, moved: Moved): boolean {
    const { ring, kick } = this.#queue;
    settle(this.eventfd);
    ring.wantsCalls = false;
    const ready = Math.min(ring.ready, budget);
    for (let n = 0; n < ready; n++) this.#packet(fd, moved);
    if (ready > 0) {
      ring.publish();
      if (ring.wantsKicks) signal(kick);
    }
    if (ring.ready > 0) return true;
    ring.wantsCalls = true;
    // What came before calls were wanted again has sent none.
    return ring.ready > 0;
  }

  #packet(fd: number, moved: Moved): void {
    const { ring, buffers, bufferSize } = this.#queue;
    const entry = this.#entry;
    ring.takeBack(entry);
    const bytes = entry.length <= bufferSize ? entry.length - frameHeaderSize : 0;
    if (
      bytes > 0 &&
      memory.writeFrom(fd, buffers + entry.id * bufferSize + frameHeaderSize, bytes) === bytes
    ) {
      moved.packets++;
      moved.bytes += bytes;
    } else moved.drops++;
    ring.lend(entry.id);
  }
}

/** Packets to the device. */
export class DriverSendQueue implements SendQueue {
  readonly eventfd: number;
  readonly #queue: DriverQueue;
  /** Buffers that the device does not have; the last is the next. */
  readonly #free: number[];
  readonly #isFree: boolean[];
  /** A buffer, and what does not fit. */
  readonly #vectors = Buffer.alloc(2 * memory.vectorSize);
  readonly #entry = { id: 0, length: 0 };

  constructor(queue: DriverQueue) {
    this.eventfd = queue.call;
    this.#queue = queue;
    this.#free = Array.from({ length: queue.ring.size }, (_, id) => id);
    this.#isFree = this.#free.map(() => true);
    memory.putVector(this.#vectors, 1, spill.address, spill.bytes.length);
    queue.ring.wantsCalls = false;
  }

  fillFrom(fd: number, budget: number, moved: Moved): 'empty' | 'full' | 'more' {
    const { ring, kick, buffers, bufferSize } = this.#queue;
    ring.wantsCalls = false;
    const room = bufferSize - frameHeaderSize;
    let outcome: 'empty' | 'full' | 'more' = 'more';
    let packets = 0;
    for (let left = budget; left > 0; left--) {
      const id = this.#buffer();
      if (id === undefined) {
        outcome = 'full';
        break;
      }
      memory.putVector(this.#vectors, 0, buffers + id * bufferSize + frameHeaderSize, room);
      const length = memory.readVectors(fd, this.#vectors, 2);
      if (length <= 0) {
        outcome = 'empty';
        break;
      }
      if (length > room) {
        moved.drops++;
        continue;
      }
      this.#free.pop();
      this.#isFree[id] = false;
      ring.fill(id, frameHeaderSize + length);
      ring.lend(id);
      packets++;
      moved.packets++;
      moved.bytes += length;
    }
    if (packets > 0) {
      ring.publish();
      if (ring.wantsKicks) signal(kick);
    }
    return outcome;
  }

  /** A buffer that is free; undefined when there is none, and the device tells of the next. */
  #buffer(): number | undefined {
    if (this.#free.length === 0) this.#reclaim();
    if (this.#free.length === 0) {
      this.#queue.ring.wantsCalls = true;
      this.#reclaim();
    }
    return this.#free.at(-1);
  }

  #reclaim(): void {
    const { ring } = this.#queue;
    for (let ready = ring.ready; ready > 0; ready--) {
      ring.takeBack(this.#entry);
      const { id } = this.#entry;
      if (this.#isFree[id]) throw new Error('a buffer that the device did not have');
      this.#isFree[id] = true;
      this.#free.push(id);
    }
  }
}
