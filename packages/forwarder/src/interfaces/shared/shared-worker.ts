// The thread in which a forwarder moves all packets of shared memory: it sleeps while there are none.
import { type MessagePort, workerData } from 'node:worker_threads';
import { Poller } from '@nsm/netlink';
import type { MemoryLimits } from '../../memory-limits.js';
import { MemifTap, type MemifTapSpec } from '../mem/memif-tap.js';
import { MemoryShares, type Sharer } from '../tap/memory-shares.js';
import type { Counters } from '../tap/shared-tap.js';
import { VhostTap, type VhostTapSpec } from '../vhost/vhost-tap.js';

export type SharedWireSpec =
  | { readonly protocol: 'memif'; readonly spec: MemifTapSpec }
  | { readonly protocol: 'vhost-user'; readonly spec: VhostTapSpec };

export type SharedOrder =
  | {
      readonly kind: 'open';
      readonly id: string;
      readonly wire: SharedWireSpec;
      readonly sharer: Sharer;
      /** Packets, bytes and drops from the peer, those to it, and packets that no peer heard. */
      readonly counters: Float64Array;
    }
  | { readonly kind: 'close'; readonly id: string };

/** The fields of an error, which on its way out of a thread would keep nothing but its text: its code tells what is used up. */
export type Failure = Readonly<Record<string, unknown>> & { readonly message: string };

export type SharedWord =
  /** What became of the last order, and why it failed. */
  | { readonly kind: 'done'; readonly failure?: Failure }
  /** Someone has deleted the TAP device of a wire. */
  | { readonly kind: 'lost'; readonly id: string };

/** What the thread is told when it is started. */
export interface SharedStart {
  readonly port: MessagePort;
  readonly limits: MemoryLimits;
  /** Counters of the shared memory in use. */
  readonly use: Float64Array;
}

const { port, limits, use } = workerData as SharedStart;
const shares = new MemoryShares(limits, use);
const poller = new Poller({ keepAlive: false });
const wires = new Map<string, MemifTap | VhostTap>();

port.on('message', (order: SharedOrder) => {
  let failure: Failure | undefined;
  try {
    wires.get(order.id)?.close();
    wires.delete(order.id);
    if (order.kind === 'open') wires.set(order.id, open(order));
  } catch (error) {
    failure = error instanceof Error ? { ...error, message: error.message } : { message: String(error) };
  }
  tell({ kind: 'done', ...(failure ? { failure } : {}) });
});
port.on('close', closeAll);
process.once('uncaughtException', (error) => {
  // Descriptors and mappings are the process's: they would outlive the thread.
  closeAll();
  setImmediate(() => {
    throw error;
  });
});
tell({ kind: 'done' });

function open({ id, wire, sharer, counters }: Extract<SharedOrder, { kind: 'open' }>): MemifTap | VhostTap {
  const count: Counters = {
    from: moved(counters.subarray(0, 3)),
    to: moved(counters.subarray(3, 6)),
    get unheard() {
      return counters[6] ?? 0;
    },
    set unheard(value) {
      counters[6] = value;
    },
  };
  const share = shares.of(sharer);
  const lost = (): void => tell({ kind: 'lost', id });
  return wire.protocol === 'memif'
    ? new MemifTap(wire.spec, share, poller, count, lost)
    : new VhostTap(wire.spec, share, poller, count, lost);
}

function tell(word: SharedWord): void {
  port.postMessage(word);
}

function closeAll(): void {
  for (const wire of wires.values()) wire.close();
  wires.clear();
  shares.stop();
  poller.close();
}

/** Counters that the forwarder's thread reads. */
function moved(shared: Float64Array) {
  return {
    get packets() {
      return shared[0] ?? 0;
    },
    set packets(value) {
      shared[0] = value;
    },
    get bytes() {
      return shared[1] ?? 0;
    },
    set bytes(value) {
      shared[1] = value;
    },
    get drops() {
      return shared[2] ?? 0;
    },
    set drops(value) {
      shared[2] = value;
    },
  };
}
