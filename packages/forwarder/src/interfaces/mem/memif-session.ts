// One control connection of a memif: from the first message to the rings, in either role, and to the end.
import { InterfaceType, withFallbacks } from '@nsm/api';
import { SharedMemory, type UnixSocket } from '@nsm/netlink';
import { makeEventfd, requireEventfd, takeDescriptor } from '../tap/event-fd.js';
import { largestFrame } from '../tap/frame-sizes.js';
import { type MemoryShare, takeOwn } from '../tap/memory-shares.js';
import { messagesAtOnce, type Queues, type Session } from '../tap/session.js';
import { decodeMessage, encodeMessage, type MemifMessage, maxRegions } from './memif-messages.js';
import { MemifReceiveQueue, MemifSendQueue, type Queue } from './memif-queues.js';
import { MemifRing, ringBytes } from './memif-ring.js';

export interface MemifSettings {
  readonly role: 'server' | 'client';
  readonly id: number;
  /** Empty: none. */
  readonly secret: string;
  /** Descriptors, as a power of two. A server takes what its client has, up to this. */
  readonly log2RingSize: number;
  /** Bytes of the buffers that a client makes. */
  readonly bufferSize: number;
  /** Bytes of the largest frame. */
  readonly largestFrame: number;
}

/** As a pod is told of its memif. @param mtu of the connection, bytes. */
export function memifSettings(
  parameters: Readonly<Record<string, string>>,
  role: MemifSettings['role'],
  mtu: number,
): MemifSettings {
  const all = withFallbacks(InterfaceType.MEM_INTERFACE, parameters);
  const { id = '0', secret = '', ring_size, buffer_size } = all;
  return {
    role,
    id: Number(id),
    secret,
    log2RingSize: Math.log2(Number(ring_size)),
    bufferSize: Number(buffer_size),
    largestFrame: largestFrame(mtu),
  };
}

export class MemifSession implements Session {
  readonly #socket: UnixSocket;
  readonly #settings: MemifSettings;
  readonly #share: MemoryShare;
  readonly #regions: SharedMemory[] = [];
  readonly #giveBacks: (() => void)[] = [];
  /** Those of the peer, and eventfds of ours. */
  readonly #descriptors: number[] = [];
  /** To send, one with each acknowledgement. */
  readonly #waiting: { readonly message: MemifMessage; readonly descriptors: readonly number[] }[] = [];
  #introduced = false;
  #toServer: Queue | undefined;
  #toClient: Queue | undefined;
  #queues: Queues | undefined;

  /** Takes over the socket. */
  constructor(socket: UnixSocket, settings: MemifSettings, share: MemoryShare) {
    this.#share = share;
    this.#socket = socket;
    this.#settings = settings;
    const { role, log2RingSize } = settings;
    if (role === 'server') this.#send({ kind: 'hello', rings: 1, log2RingSize });
  }

  get fd(): number {
    return this.#socket.fd;
  }

  get queues(): Queues | undefined {
    return this.#queues;
  }

  heed(): void {
    for (let n = 0; n < messagesAtOnce; n++) {
      const packet = this.#socket.receive();
      if (packet === 'nothing') return;
      if (packet === undefined) throw new Error('the peer has closed the connection');
      const descriptors = [...packet.descriptors];
      try {
        this.#answer(decodeMessage(packet.data), descriptors);
      } finally {
        // What was taken is no longer in the list.
        for (const fd of descriptors) this.#socket.letGo(fd);
      }
    }
  }

  close(reason: string): void {
    this.#queues = undefined;
    try {
      this.#send({ kind: 'disconnect', reason });
    } catch {
      // The application has gone already.
    }
    this.#socket.close();
    for (const region of this.#regions.splice(0)) region.close();
    for (const giveBack of this.#giveBacks.splice(0)) giveBack();
    // Last: whoever lets go of a file at last frees its memory.
    for (const fd of this.#descriptors.splice(0)) this.#socket.letGo(fd);
  }

  #answer(message: MemifMessage, descriptors: number[]): void {
    if (message.kind === 'disconnect')
      throw new Error(`the peer disconnects: ${message.reason || 'no reason given'}`);
    if (this.#settings.role === 'server') this.#answerClient(message, descriptors);
    else this.#answerServer(message);
  }

  #answerClient(message: MemifMessage, descriptors: number[]): void {
    if (message.kind !== 'init' && !this.#introduced) throw new Error(`${message.kind} before init`);
    switch (message.kind) {
      case 'init': {
        const { id, secret } = this.#settings;
        if (message.id !== id) throw new Error(`the interface is number ${id}, not ${message.id}`);
        if (message.secret !== secret) throw new Error('the secret is wrong');
        this.#introduced = true;
        break;
      }
      case 'addRegion':
        if (message.index !== this.#regions.length || message.index >= maxRegions)
          throw new Error(`region ${message.index} is out of order`);
        this.#addRegion(this.#take(descriptors), message.size);
        break;
      case 'addRing':
        this.#addRing(message, descriptors);
        break;
      case 'connect':
        this.#ready();
        this.#send({ kind: 'connected' });
        return;
      default:
        throw new Error(`a client that says ${message.kind}`);
    }
    this.#send({ kind: 'ack' });
  }

  #addRegion(fd: number, size: number): void {
    this.#giveBacks.push(this.#share.take(fd, size));
    this.#regions.push(SharedMemory.map(fd, size));
  }

  #addRing(
    { toServer, index, region, offset, log2Size }: Extract<MemifMessage, { kind: 'addRing' }>,
    descriptors: number[],
  ): void {
    if (index !== 0 || (toServer ? this.#toServer : this.#toClient))
      throw new Error('one ring each way is enough');
    const eventfd = this.#take(descriptors);
    requireEventfd(eventfd);
    const ring = new MemifRing(this.#regions, region, offset, log2Size);
    if (!ring.formatted) throw new Error('a ring without its cookie');
    if (toServer) this.#toServer = { ring, eventfd };
    else this.#toClient = { ring, eventfd };
  }

  #answerServer(message: MemifMessage): void {
    switch (message.kind) {
      case 'hello':
        this.#makeRings(Math.min(this.#settings.log2RingSize, message.log2RingSize));
        this.#sendNext();
        break;
      case 'ack':
        this.#sendNext();
        break;
      case 'connected': {
        // DPDK's server begins by emptying the rings: only now is it lent all buffers.
        const { ring } = this.#toClient ?? {};
        if (ring) ring.head = ring.tail + ring.size;
        this.#ready();
        break;
      }
      default:
        throw new Error(`a server that says ${message.kind}`);
    }
  }

  /** The memory of a client: two rings, then the buffers of the one, then those of the other. */
  #makeRings(log2Size: number): void {
    if (this.#regions.length > 0) throw new Error('a server that says hello twice');
    const { id, secret, bufferSize } = this.#settings;
    const ringSpace = Math.ceil(ringBytes(log2Size) / 64) * 64;
    const slots = 1 << log2Size;
    const size = Math.ceil((2 * (ringSpace + slots * bufferSize)) / 65_536) * 65_536;
    const memory = SharedMemory.create('nsm-memif', size);
    this.#giveBacks.push(takeOwn(this.#share, memory));
    this.#regions.push(memory);
    this.#waiting.push(
      { message: { kind: 'init', id, secret }, descriptors: [] },
      { message: { kind: 'addRegion', index: 0, size }, descriptors: [memory.fd] },
    );
    const queues = [true, false].map((toServer, index) => {
      const offset = index * ringSpace;
      const ring = new MemifRing(this.#regions, 0, offset, log2Size);
      ring.format();
      for (let slot = 0; slot < slots; slot++)
        ring.place(slot, 0, 2 * ringSpace + (index * slots + slot) * bufferSize, bufferSize);
      const eventfd = makeEventfd();
      this.#descriptors.push(eventfd);
      const message = { kind: 'addRing', toServer, index: 0, region: 0, offset, log2Size } as const;
      this.#waiting.push({ message, descriptors: [eventfd] });
      return { ring, eventfd };
    });
    [this.#toServer, this.#toClient] = queues;
    this.#waiting.push({ message: { kind: 'connect' }, descriptors: [] });
  }

  #ready(): void {
    const { role, bufferSize, largestFrame } = this.#settings;
    const server = role === 'server';
    const [from, to] = server ? [this.#toServer, this.#toClient] : [this.#toClient, this.#toServer];
    if (!from || !to) throw new Error('a connection without a ring each way');
    this.#queues = {
      receive: [new MemifReceiveQueue(from, server, bufferSize)],
      send: new MemifSendQueue(to, server, bufferSize, largestFrame),
    };
  }

  #take(descriptors: number[]): number {
    const fd = takeDescriptor(descriptors);
    this.#descriptors.push(fd);
    return fd;
  }

  #sendNext(): void {
    const next = this.#waiting.shift();
    if (next) this.#send(next.message, next.descriptors);
  }

  #send(message: MemifMessage, descriptors: readonly number[] = []): void {
    this.#socket.send(encodeMessage(message), descriptors);
  }
}
