// The device of a vhost-user connection: the pod's application is the driver, and lends its memory and its rings.
import type { UnixSocket } from '@nsm/netlink';
import { requireEventfd, takeDescriptor } from '../tap/event-fd.js';
import type { MemoryShare } from '../tap/memory-shares.js';
import { messagesAtOnce, type Queues, type Session } from '../tap/session.js';
import { type DeviceQueue, DeviceReceiveQueue, DeviceSendQueue } from './device-queues.js';
import { DeviceRing } from './device-ring.js';
import { DriverMemory } from './driver-memory.js';
import {
  decodeNumber,
  decodeRegions,
  decodeRingAddresses,
  decodeRingDescriptor,
  decodeRingNumber,
  encodeNumber,
  encodeRingNumber,
  features,
  protocolFeatures,
  type Region,
  type Request,
  type RingAddresses,
} from './vhost-messages.js';
import type { VhostSettings } from './vhost-settings.js';
import { type VhostMessage, VhostStream } from './vhost-stream.js';

/** The state of a ring. The ring works when it is enabled and all but `call` and `position` are known. */
interface RingState {
  size?: number;
  addresses?: RingAddresses;
  kick?: number;
  call?: number;
  enabled: boolean;
  /** Where a ring that has worked goes on. */
  position: number;
}

/** Answers to a driver that wants to know. */
const [done, failed] = [0, 1];
const offered = features.mergeableBuffers | features.protocolFeatures | features.version1;
const offeredProtocol = protocolFeatures.multiqueue | protocolFeatures.replyAck;

export class VhostDevice implements Session {
  readonly #stream: VhostStream;
  readonly #settings: VhostSettings;
  readonly #share: MemoryShare;
  /** The ring `2n` takes packets to the driver, `2n + 1` packets from it. */
  readonly #rings: RingState[];
  /** Descriptors to close once they are not watched any more. */
  readonly #retired: number[] = [];
  /** By index. */
  readonly #working = new Map<number, DeviceQueue>();
  #send: DeviceSendQueue | undefined;
  #features = 0n;
  #protocolFeatures = 0n;
  #memory: DriverMemory | undefined;
  #queues: Queues | undefined;

  /** Takes over the socket. */
  constructor(socket: UnixSocket, settings: VhostSettings, share: MemoryShare) {
    this.#share = share;
    this.#stream = new VhostStream(socket);
    this.#settings = settings;
    this.#rings = Array.from({ length: 2 * settings.queues }, () => ({ enabled: false, position: 0 }));
  }

  get fd(): number {
    return this.#stream.fd;
  }

  get queues(): Queues | undefined {
    return this.#queues;
  }

  heed(): void {
    this.#closeRetired();
    for (let n = 0; n < messagesAtOnce; n++) {
      const message = this.#stream.receive();
      if (!message) return;
      const descriptors = [...message.descriptors];
      try {
        this.#answer(message, descriptors);
      } finally {
        // What was taken is no longer in the list.
        this.#stream.letGo(descriptors);
      }
    }
  }

  close(): void {
    this.#stop();
    this.#stream.close();
    for (const ring of this.#rings) this.#retire(ring);
    this.#closeRetired();
    this.#memory?.close();
  }

  #answer(message: VhostMessage, descriptors: number[]): void {
    const { header, payload } = message;
    const { request, number, needReply } = header;
    const tells = needReply && (this.#protocolFeatures & protocolFeatures.replyAck) !== 0n;
    if (request === undefined && !tells) throw new Error(`request ${number}, which was not agreed on`);
    const answer = request && this.#obey(request, payload, descriptors);
    if (answer) this.#stream.send(number, answer, [], true);
    else if (tells) this.#stream.send(number, encodeNumber(request ? done : failed), [], true);
  }

  /** @returns the answer to a question. */
  #obey(request: Request, payload: Buffer, descriptors: number[]): Buffer | undefined {
    switch (request) {
      case 'getFeatures':
        return encodeNumber(this.#offered);
      case 'getProtocolFeatures':
        return encodeNumber(offeredProtocol);
      case 'getQueueNum':
        return encodeNumber(this.#settings.queues);
      case 'getVringBase':
        return this.#stopRing(payload);
      case 'setFeatures':
        this.#features = decodeNumber(payload);
        if (this.#features & ~this.#offered) throw new Error('features that were not offered');
        break;
      case 'setProtocolFeatures':
        this.#protocolFeatures = decodeNumber(payload);
        return undefined;
      case 'setMemTable':
        this.#useMemory(decodeRegions(payload), descriptors);
        break;
      case 'setVringNum': {
        const { index, value } = decodeRingNumber(payload);
        this.#ring(index).size = value;
        break;
      }
      case 'setVringAddr': {
        const addresses = decodeRingAddresses(payload);
        this.#ring(addresses.index).addresses = addresses;
        break;
      }
      case 'setVringEnable': {
        const { index, value } = decodeRingNumber(payload);
        this.#ring(index).enabled = value !== 0;
        break;
      }
      case 'setVringKick':
      case 'setVringCall':
        this.#take(request === 'setVringKick' ? 'kick' : 'call', payload, descriptors);
        break;
      case 'resetOwner':
        for (const ring of this.#rings) this.#retire(ring);
        break;
      // Where a ring goes on, its used ring says; errors end the connection; the socket has one owner.
      case 'setVringBase':
      case 'setVringErr':
      case 'setOwner':
        return undefined;
    }
    this.#start();
    return undefined;
  }

  #ring(index: number): RingState {
    const ring = this.#rings[index];
    if (!ring) throw new Error(`ring ${index} of ${this.#rings.length}`);
    return ring;
  }

  #take(what: 'kick' | 'call', payload: Buffer, descriptors: number[]): void {
    const { index, none } = decodeRingDescriptor(payload);
    const ring = this.#ring(index);
    if (none && what === 'kick') throw new Error('a driver that never kicks would have to be polled');
    const fd = none ? undefined : takeDescriptor(descriptors);
    const former = ring[what];
    if (former !== undefined) this.#retired.push(former);
    delete ring[what];
    if (fd === undefined) return;
    ring[what] = fd;
    requireEventfd(fd);
  }

  /** The driver asks where a ring would go on, and takes it back with that. */
  #stopRing(payload: Buffer): Buffer {
    const { index } = decodeRingNumber(payload);
    const ring = this.#ring(index);
    this.#stop();
    this.#retire(ring);
    this.#start();
    return encodeRingNumber({ index, value: ring.position });
  }

  /** The former memory is let go first: together they may be too much. */
  #useMemory(regions: readonly Region[], descriptors: number[]): void {
    this.#stop();
    this.#memory?.close();
    this.#memory = undefined;
    this.#memory = new DriverMemory(regions, descriptors, this.#share);
  }

  get #offered(): bigint {
    return offered | (this.#settings.queues > 1 ? features.multiqueue : 0n);
  }

  /** Makes queues of what is known now, in place of those that there were. */
  #start(): void {
    this.#stop();
    const memory = this.#memory;
    if (!memory) return;
    const enabledAtOnce = (this.#features & features.protocolFeatures) === 0n;
    for (const [index, { size, addresses, kick, call, enabled }] of this.#rings.entries())
      if (size !== undefined && addresses && kick !== undefined && (enabled || enabledAtOnce))
        this.#working.set(index, { ring: new DeviceRing(memory, size, addresses), kick, call });
    const to = this.#working.get(0);
    const from = [...this.#working].flatMap(([index, queue]) => (index % 2 === 1 ? [queue] : []));
    if (!to || from.length === 0) return;
    const mergeable = (this.#features & features.mergeableBuffers) !== 0n;
    const headerSize = mergeable || this.#features & features.version1 ? 12 : 10;
    const { largestFrame } = this.#settings;
    this.#send = new DeviceSendQueue(to, { headerSize, mergeable, largestFrame });
    this.#queues = {
      receive: from.map((queue) => new DeviceReceiveQueue(queue, headerSize)),
      send: this.#send,
    };
  }

  #stop(): void {
    this.#queues = undefined;
    this.#send?.close();
    this.#send = undefined;
    for (const [index, { ring }] of this.#working) {
      this.#ring(index).position = ring.position;
      ring.close();
    }
    this.#working.clear();
  }

  #retire(ring: RingState): void {
    for (const fd of [ring.kick, ring.call]) if (fd !== undefined) this.#retired.push(fd);
    delete ring.kick;
    delete ring.call;
  }

  #closeRetired(): void {
    this.#stream.letGo(this.#retired.splice(0));
  }
}
