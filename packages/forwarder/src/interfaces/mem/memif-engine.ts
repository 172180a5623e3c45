// The memifs that the forwarder itself is the peer of, each joined to a TAP device; their packets move in one thread.
import { once } from 'node:events';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type forwarder as fw, InterfaceType, NsmError } from '@nsm/api';
import { type NetworkNamespace, openTap } from '@nsm/netlink';
import type { StatisticsReport } from '../../statistics.js';
import type { Side } from '../../wiring.js';
import type { SharedSockets } from '../shared/shared-sockets.js';
import type { MemifTapSpec } from './memif-tap.js';
import type { MemifAnswer, MemifOrder } from './memif-worker.js';

/** Bytes of Ethernet header with one VLAN tag. */
const frameOverhead = 18;

/** An existing TAP device; without a namespace it is in the node's. */
export interface TapDevice {
  readonly name: string;
  readonly index: number;
  readonly namespace?: NetworkNamespace;
}

interface Wire {
  readonly order: string;
  readonly counters: Float64Array;
}

export class MemifEngine {
  readonly #sockets: SharedSockets;
  readonly #onLoss: (ids: readonly string[]) => void;
  readonly #wires = new Map<string, Wire>();
  #thread: Thread | undefined;

  /** @param onLoss hears which wires have to be joined anew. */
  constructor(sockets: SharedSockets, onLoss: (ids: readonly string[]) => void) {
    this.#sockets = sockets;
    this.#onLoss = onLoss;
  }

  /** What is missing here; '' when it works. */
  missing(): string {
    return this.#sockets.missing(InterfaceType.MEM_INTERFACE);
  }

  /**
   * Joins a pod's memif and a TAP device. What is joined already as wanted is left alone.
   * @param side the pod's, of which the forwarder is the peer.
   * @throws NsmError `dataplane`, NetlinkError
   */
  async join(id: string, side: Side, port: fw.Port, tap: TapDevice): Promise<void> {
    const type = InterfaceType.MEM_INTERFACE;
    this.#sockets.place(id, side, type, port.uid);
    const other = side === 'client' ? 'endpoint' : 'client';
    const socket = this.#sockets.place(id, other, type, process.getuid?.() ?? 0);
    this.#sockets.join(id, type);
    const { id: number = '0', secret = '', ring_size = '1024', buffer_size = '2048' } = port.parameters;
    const wanted = {
      socket,
      role: side === 'client' ? 'server' : 'client',
      id: Number(number),
      secret,
      log2RingSize: Math.log2(Number(ring_size)),
      bufferSize: Number(buffer_size),
      largestFrame: port.mtu + frameOverhead,
    } as const;
    const order = JSON.stringify([wanted, tap.index]);
    if (this.#wires.get(id)?.order === order) return;
    await this.release(id);
    const { fd } = openTap({ kind: 'tap', name: tap.name, namespace: tap.namespace });
    const counters = new Float64Array(new SharedArrayBuffer(6 * Float64Array.BYTES_PER_ELEMENT));
    const spec: MemifTapSpec = { ...wanted, tap: fd };
    await this.#tell({ kind: 'open', id, spec, counters });
    this.#wires.set(id, { order, counters });
  }

  /** Ends a wire; the pod's application sees a disconnect. Harmless when there is none. */
  async release(id: string): Promise<void> {
    if (this.#wires.delete(id)) await this.#tell({ kind: 'close', id });
  }

  /** Seen from the pod with the memif; undefined when there is none. */
  traffic(id: string): StatisticsReport | undefined {
    const counters = this.#wires.get(id)?.counters;
    if (!counters) return undefined;
    const [sentPackets = 0n, sentBytes = 0n, sentDrops = 0n, ...received] = [...counters].map(BigInt);
    const [receivedPackets = 0n, receivedBytes = 0n, receivedDrops = 0n] = received;
    return { sentPackets, sentBytes, sentDrops, receivedPackets, receivedBytes, receivedDrops, drops: {} };
  }

  async stop(): Promise<void> {
    this.#wires.clear();
    await this.#thread?.stop();
  }

  async #tell(order: MemifOrder): Promise<void> {
    this.#thread ??= new Thread(() => {
      const lost = [...this.#wires.keys()];
      this.#thread = undefined;
      this.#wires.clear();
      this.#onLoss(lost);
    });
    await this.#thread.tell(order);
  }
}

/** Started when the first memif is joined: most nodes have none. */
class Thread {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #died: Promise<never>;
  #last: Promise<unknown>;

  constructor(onDeath: () => void) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL('./memif-worker.js', import.meta.url), {
      workerData: port2,
      transferList: [port2],
    });
    this.#died = new Promise((_, reject) => {
      this.#worker.once('error', (error) => reject(error));
      this.#worker.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    });
    this.#died.catch(onDeath);
    this.#last = Promise.race([once(port1, 'message'), this.#died]);
    this.#worker.unref();
    port1.unref();
  }

  /** One order after the other. @throws NsmError `dataplane` */
  async tell(order: MemifOrder): Promise<void> {
    const before = this.#last;
    const answered = (async () => {
      this.#port.ref();
      await before.catch(() => undefined);
      const answer = once(this.#port, 'message') as Promise<[MemifAnswer]>;
      this.#port.postMessage(order);
      const [failure] = await Promise.race([answer, this.#died]);
      this.#port.unref();
      if (failure !== '') throw new Error(failure);
    })();
    this.#last = answered;
    try {
      await answered;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new NsmError('dataplane', `the memif cannot be served: ${reason}`, error);
    }
  }

  async stop(): Promise<void> {
    this.#port.ref();
    await this.#last.catch(() => undefined);
    this.#port.close();
    await this.#died.catch(() => undefined);
  }
}
