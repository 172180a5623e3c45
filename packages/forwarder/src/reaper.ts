// Deletes devices: off the forwarder's thread, and many at once, because each deletion waits ~20 ms in the kernel.
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type forwarder as fw, NsmError } from '@nsm/api';

/** What a deletion needs to know: any device in the namespace that carries the id. */
export interface Condemned {
  readonly id: string;
  readonly inode: number;
  /** Where the namespace was found; a hint. */
  readonly path: string;
  /** Name of the device; a hint. */
  readonly name: string;
}

interface Job extends Condemned {
  readonly resolve: () => void;
  readonly reject: (error: NsmError) => void;
}

/** While one batch waits for the kernel the next gathers: the busier the node, the cheaper each deletion. */
export class Reaper {
  readonly #worker: Worker;
  readonly #port: MessageChannel['port1'];
  readonly #started: Promise<unknown>;
  #gathered: Job[] = [];
  #busy = false;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL('./reaper-worker.js', import.meta.url), {
      workerData: port2,
      transferList: [port2],
    });
    this.#started = once(port1, 'message');
    this.#worker.unref();
    port1.unref();
  }

  /** Resolves when the kernel has removed every device of a cross-connect on this node. */
  async remove({ id, client, endpoint }: fw.CrossConnect): Promise<void> {
    // Deleting one end of a pair deletes the other; the endpoint's namespace has the most in one place.
    const { namespace, name = '' } = endpoint ?? client ?? {};
    if (!namespace) throw new NsmError('invalid', `${id} names no network namespace`);
    await new Promise<void>((resolve, reject) => {
      this.#gathered.push({ id, inode: namespace.inode, path: namespace.path, name, resolve, reject });
      if (!this.#busy) void this.#work();
    });
  }

  /** Waits for the thread to end by itself: one that is torn down while it loads takes the process with it. */
  async stop(): Promise<void> {
    this.#port.ref();
    await this.#started;
    const exited = once(this.#worker, 'exit');
    this.#port.close();
    await exited;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    await this.#started;
    while (this.#gathered.length > 0) {
      const batch = this.#gathered;
      this.#gathered = [];
      this.#port.ref();
      this.#port.postMessage(
        batch.map(({ id, inode, path, name }): Condemned => ({ id, inode, path, name })),
      );
      const [failures] = (await once(this.#port, 'message')) as [ReadonlyMap<string, string>];
      this.#port.unref();
      for (const { id, resolve, reject } of batch) {
        const failure = failures.get(id);
        if (failure === undefined) resolve();
        else reject(new NsmError('dataplane', failure));
      }
    }
    this.#busy = false;
  }
}
