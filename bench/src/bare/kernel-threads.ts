// The threads of a bare manager that delete devices: many at once, because most of a deletion is waiting in the kernel,
// and those who wait at the same time wait together.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { RouteSocket } from '@nsm/netlink';
import { type End, type Job, work } from './kernel-work.js';

/** Beyond 16 waiting at once nothing was gained. */
const lanes = 16;

/** A device by the namespace it is in. */
export type Grave = Pick<End, 'namespace' | 'name'>;

interface Doomed {
  readonly end: Grave;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class KernelThreads {
  readonly #idle: Worker[] = Array.from({ length: lanes }, () => new Worker(new URL(import.meta.url)));
  /** By namespace: while one deletion there waits the next ones gather, and go by group. */
  readonly #gathered = new Map<string, Doomed[]>();
  readonly #busy = new Set<string>();

  async started(): Promise<void> {
    await Promise.all(this.#idle.map((worker) => once(worker, 'online')));
  }

  /** Resolves when the kernel has done it. */
  async remove(end: Grave): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const gathered = this.#gathered.get(end.namespace);
      const doomed = { end, resolve, reject };
      if (gathered) gathered.push(doomed);
      else this.#gathered.set(end.namespace, [doomed]);
      this.#next();
    });
  }

  #next(): void {
    for (const [namespace, batch] of this.#gathered) {
      if (this.#busy.has(namespace)) continue;
      const lane = this.#idle.pop();
      if (!lane) return;
      this.#gathered.delete(namespace);
      this.#busy.add(namespace);
      void this.#bury(lane, namespace, batch);
    }
  }

  async #bury(lane: Worker, namespace: string, batch: readonly Doomed[]): Promise<void> {
    const answer = once(lane, 'message') as Promise<[string | undefined]>;
    lane.postMessage({ kind: 'delete', ends: batch.map(({ end }) => end) } satisfies Job);
    const [error] = await answer;
    this.#idle.push(lane);
    this.#busy.delete(namespace);
    for (const { resolve, reject } of batch) error === undefined ? resolve() : reject(new Error(error));
    this.#next();
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
