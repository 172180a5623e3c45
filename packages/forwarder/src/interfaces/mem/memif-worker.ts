// The thread in which all memifs of a forwarder move their packets: it sleeps while there are none.
import { type MessagePort, workerData } from 'node:worker_threads';
import { Poller } from '@nsm/netlink';
import { MemifTap, type MemifTapSpec } from './memif-tap.js';

export type MemifOrder =
  | {
      readonly kind: 'open';
      readonly id: string;
      readonly spec: MemifTapSpec;
      /** Packets, bytes and drops from the memif, then those to it. */
      readonly counters: Float64Array;
    }
  | { readonly kind: 'close'; readonly id: string };

export type MemifWord =
  /** What became of the last order: why it failed, or ''. */
  | { readonly kind: 'done'; readonly failure: string }
  /** Someone has deleted the TAP device of a wire. */
  | { readonly kind: 'lost'; readonly id: string };

const port = workerData as MessagePort;
const poller = new Poller({ keepAlive: false });
const wires = new Map<string, MemifTap>();

port.on('message', (order: MemifOrder) => {
  let failure = '';
  try {
    wires.get(order.id)?.close();
    wires.delete(order.id);
    if (order.kind === 'open')
      wires.set(
        order.id,
        new MemifTap(
          order.spec,
          poller,
          { from: moved(order.counters.subarray(0, 3)), to: moved(order.counters.subarray(3, 6)) },
          () => tell({ kind: 'lost', id: order.id }),
        ),
      );
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  }
  tell({ kind: 'done', failure });
});
port.on('close', closeAll);
process.once('uncaughtException', (error) => {
  // Descriptors and mappings are the process's: they would outlive the thread.
  closeAll();
  setImmediate(() => {
    throw error;
  });
});
tell({ kind: 'done', failure: '' });

function tell(word: MemifWord): void {
  port.postMessage(word);
}

function closeAll(): void {
  for (const wire of wires.values()) wire.close();
  wires.clear();
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
