// The driver of a vhost-user connection: the pod's application is the device, and is lent memory and rings of ours.
import { libc, SharedMemory, type UnixSocket } from '@nsm/netlink';
import { makeEventfd } from '../tap/event-fd.js';
import { type MemoryShare, takeOwn } from '../tap/memory-shares.js';
import { messagesAtOnce, type Queues, type Session } from '../tap/session.js';
import { type DriverQueue, DriverReceiveQueue, DriverSendQueue, frameHeaderSize } from './driver-queues.js';
import { DriverRing, ringBytes } from './driver-ring.js';
import {
  decodeNumber,
  encodeNumber,
  encodeRegions,
  encodeRingAddresses,
  encodeRingNumber,
  features,
  type Request,
  requests,
} from './vhost-messages.js';
import type { VhostSettings } from './vhost-settings.js';
import { VhostStream } from './vhost-stream.js';

/** The address that the device is told of our memory: the device needs an address to count from, not the true one. */
const claimed = 2 ** 32;
/** Rings by their index: packets from the device, and to it. */
const [fromDevice, toDevice] = [0, 1];

export class VhostDriver implements Session {
  readonly #stream: VhostStream;
  readonly #settings: VhostSettings;
  readonly #share: MemoryShare;
  #giveBack = (): void => undefined;
  readonly #eventfds: number[] = [];
  #memory: SharedMemory | undefined;
  #next: Queues | undefined;
  #queues: Queues | undefined;

  /** Takes over the socket. */
  constructor(socket: UnixSocket, settings: VhostSettings, share: MemoryShare) {
    this.#share = share;
    this.#stream = new VhostStream(socket);
    this.#settings = settings;
    this.#say('getFeatures');
  }

  get fd(): number {
    return this.#stream.fd;
  }

  get queues(): Queues | undefined {
    return this.#queues;
  }

  heed(): void {
    for (let n = 0; n < messagesAtOnce; n++) {
      const message = this.#stream.receive();
      if (!message) return;
      this.#stream.letGo(message.descriptors);
      const { reply, request } = message.header;
      if (!reply || request !== 'getFeatures' || this.#queues)
        throw new Error('an answer that was not asked for');
      // The second time: all that was said between is obeyed.
      if (this.#next) this.#queues = this.#next;
      else this.#lend(decodeNumber(message.payload));
    }
  }

  close(): void {
    this.#queues = undefined;
    this.#stream.close();
    for (const fd of this.#eventfds.splice(0)) libc.close(fd);
    this.#memory?.close();
    this.#giveBack();
  }

  /** Nothing but the present form of the interface is agreed on: without more, rings work as soon as they are whole. */
  #lend(offered: bigint): void {
    if ((offered & features.version1) === 0n) throw new Error('a device older than version 1 of virtio');
    this.#say('setOwner');
    this.#say('setFeatures', encodeNumber(features.version1));
    const { ringSize, largestFrame } = this.#settings;
    const ringSpace = ringBytes(ringSize);
    const bufferSize = Math.ceil((frameHeaderSize + largestFrame) / 64) * 64;
    const size = Math.ceil((2 * (ringSpace + ringSize * bufferSize)) / 65_536) * 65_536;
    const memory = SharedMemory.create('nsm-vhost', size);
    this.#giveBack = takeOwn(this.#share, memory);
    this.#memory = memory;
    this.#say('setMemTable', encodeRegions([{ guest: claimed, size, user: claimed, offset: 0 }]), [
      memory.fd,
    ]);
    const make = (index: number): DriverQueue => {
      const at = 2 * ringSpace + index * ringSize * bufferSize;
      const ring = new DriverRing(memory.bytes, index * ringSpace, ringSize);
      for (let id = 0; id < ringSize; id++)
        ring.describe(id, claimed + at + id * bufferSize, bufferSize, index === fromDevice);
      const [kick, call] = [this.#eventfd(), this.#eventfd()];
      return { ring, kick, call, buffers: memory.address + at, bufferSize };
    };
    const [from, to] = [make(fromDevice), make(toDevice)];
    this.#next = { receive: [new DriverReceiveQueue(from)], send: new DriverSendQueue(to) };
    for (const [index, { ring, kick, call }] of [from, to].entries()) {
      this.#say('setVringNum', encodeRingNumber({ index, value: ringSize }));
      this.#say('setVringBase', encodeRingNumber({ index, value: 0 }));
      this.#say('setVringAddr', encodeRingAddresses(ring.addresses(index, claimed + index * ringSpace)));
      this.#say('setVringCall', encodeNumber(index), [call]);
      this.#say('setVringKick', encodeNumber(index), [kick]);
    }
    this.#say('getFeatures');
  }

  #eventfd(): number {
    const fd = makeEventfd();
    this.#eventfds.push(fd);
    return fd;
  }

  #say(request: Request, payload: Buffer = Buffer.alloc(0), descriptors: readonly number[] = []): void {
    this.#stream.send(requests[request], payload, descriptors);
  }
}
