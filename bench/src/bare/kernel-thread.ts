// The thread of a bare manager that deletes devices, and the handle by which the manager has it work.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { RouteSocket } from '@nsm/netlink';
import { type Job, type Removal, work } from './kernel-work.js';

interface Doomed {
  readonly removal: Removal;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** While one deletion waits for the kernel the next ones gather, and then wait together. */
export class KernelThread {
  readonly #worker = new Worker(new URL(import.meta.url));
  #gathered: Doomed[] = [];
  #busy = false;

  async started(): Promise<void> {
    await once(this.#worker, 'online');
  }

  /** Resolves when the kernel has done it. */
  async remove(removal: Removal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#gathered.push({ removal, resolve, reject });
      if (!this.#busy) void this.#bury();
    });
  }

  async #bury(): Promise<void> {
    this.#busy = true;
    while (this.#gathered.length > 0) {
      const batch = this.#gathered;
      this.#gathered = [];
      const answer = once(this.#worker, 'message') as Promise<[string | undefined]>;
      this.#worker.postMessage({
        kind: 'delete',
        removals: batch.map(({ removal }) => removal),
      } satisfies Job);
      const [error] = await answer;
      for (const { resolve, reject } of batch) error === undefined ? resolve() : reject(new Error(error));
    }
    this.#busy = false;
  }
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const node = RouteSocket.open();
  port.on('message', (job: Job) => {
    try {
      work(job, node);
      port.postMessage(undefined);
    } catch (error) {
      port.postMessage(error instanceof Error ? error.message : String(error));
    }
  });
}
