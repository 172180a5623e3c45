// The memifs that the forwarder itself is the peer of, each joined to a TAP device; their packets move in one thread.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { type forwarder as fw, InterfaceType, NsmError } from '@nsm/api';
import { type NetworkNamespace, openTap } from '@nsm/netlink';
import type { StatisticsReport } from '../../statistics.js';
import type { Side } from '../../wiring.js';
import type { SharedSockets } from '../shared/shared-sockets.js';
import { identityOf } from '../shared/socket-link.js';
import { memifSettings } from './memif-session.js';
import type { MemifTapSpec } from './memif-tap.js';
import type { MemifOrder, MemifWord } from './memif-worker.js';

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
    const role = side === 'client' ? 'server' : 'client';
    const wanted = { socket, ...memifSettings(port.parameters, role, port.mtu) };
    // A folder that was removed and made again is not the one that is watched.
    const order = JSON.stringify([wanted, tap.index, identityOf(dirname(socket))]);
    const served = role === 'client' || existsSync(socket);
    if (this.#wires.get(id)?.order === order && served) return;
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
    this.#thread ??= new Thread(
      () => {
        const lost = [...this.#wires.keys()];
        this.#thread = undefined;
        this.#wires.clear();
        this.#onLoss(lost);
      },
      (id) => this.#onLoss([id]),
    );
    await this.#thread.tell(order);
  }
}

/** Started when the first memif is joined: most nodes have none. */
class Thread {
  readonly #port: MessagePort;
  readonly #died: Promise<never>;
  readonly #ready: Promise<string>;
  /** For each order, and the start before them, who waits for what becomes of it. */
  readonly #waiting: ((failure: string) => void)[] = [];

  /** @param onLost hears of wires whose TAP device was deleted. */
  constructor(onDeath: () => void, onLost: (id: string) => void) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const worker = new Worker(new URL('./memif-worker.js', import.meta.url), {
      workerData: port2,
      transferList: [port2],
    });
    this.#died = new Promise((_, reject) => {
      worker.once('error', (error) => reject(error));
      worker.once('exit', (code) => reject(new Error(`its thread ended with ${code}`)));
    });
    this.#died.catch(onDeath);
    this.#ready = this.#answer();
    // Who gives an order hears of it.
    this.#ready.catch(() => undefined);
    port1.on('message', (word: MemifWord) => {
      if (word.kind === 'lost') onLost(word.id);
      else this.#waiting.shift()?.(word.failure);
    });
    worker.unref();
    port1.unref();
  }

  /** @throws NsmError `dataplane` */
  async tell(order: MemifOrder): Promise<void> {
    this.#port.ref();
    this.#port.postMessage(order);
    try {
      const failure = await this.#answer();
      if (failure !== '') throw new Error(failure);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new NsmError('dataplane', `the memif cannot be served: ${reason}`, error);
    } finally {
      if (this.#waiting.length === 0) this.#port.unref();
    }
  }

  /** Waits for the thread to end by itself: one that is torn down while it loads takes the process with it. */
  async stop(): Promise<void> {
    this.#port.ref();
    await this.#ready.catch(() => undefined);
    this.#port.close();
    await this.#died.catch(() => undefined);
  }

  #answer(): Promise<string> {
    return Promise.race([new Promise<string>((resolve) => this.#waiting.push(resolve)), this.#died]);
  }
}
