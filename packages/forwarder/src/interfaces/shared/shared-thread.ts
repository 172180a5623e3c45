// The thread of shared memory as a forwarder sees it: orders go there one after the other, and each is answered.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { NsmError } from '@nsm/api';
import type { Failure, SharedOrder, SharedStart, SharedWord } from './shared-worker.js';

/** The thread has ended with the descriptors of its wires open. */
export class LeftOpen extends Error {}

/** Started when the first is joined: most nodes have none. */
export class SharedThread {
  readonly #port: MessagePort;
  readonly #died: Promise<never>;
  readonly #ready: Promise<Failure | undefined>;
  /** For each order, and the start before them, who waits for what becomes of it. */
  readonly #waiting: ((failure: Failure | undefined) => void)[] = [];

  /** @param onLost hears of wires whose TAP device was deleted. */
  constructor(
    start: Omit<SharedStart, 'port'>,
    onDeath: (error: Error) => void,
    onLost: (id: string) => void,
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const worker = new Worker(new URL('./shared-worker.js', import.meta.url), {
      workerData: { ...start, port: port2 } satisfies SharedStart,
      transferList: [port2],
    });
    this.#died = new Promise((_, reject) => {
      worker.once('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? new LeftOpen(error.message) : error),
      );
      worker.once('exit', (code) => reject(new LeftOpen(`its thread ended with ${code}`)));
    });
    this.#died.catch(onDeath);
    this.#ready = this.#answer();
    // The caller that gives an order hears of its failure.
    this.#ready.catch(() => undefined);
    port1.on('message', (word: SharedWord) => {
      if (word.kind === 'lost') onLost(word.id);
      else this.#waiting.shift()?.(word.failure);
    });
    worker.unref();
    port1.unref();
  }

  /** @throws NsmError `dataplane` */
  async tell(order: SharedOrder): Promise<void> {
    this.#port.ref();
    this.#port.postMessage(order);
    try {
      const failure = await this.#answer();
      if (failure) throw Object.assign(new Error(failure.message), failure);
    } catch (error) {
      const { kind, message } = NsmError.from(error);
      const kept = kind === 'exhausted' || kind === 'disk' ? kind : 'dataplane';
      throw new NsmError(kept, `shared memory cannot be served: ${message}`, error);
    } finally {
      if (this.#waiting.length === 0) this.#port.unref();
    }
  }

  /** Waits for the thread to end by itself: a thread that is torn down while it loads takes the process with it. */
  async stop(): Promise<void> {
    this.#port.ref();
    await this.#ready.catch(() => undefined);
    this.#port.close();
    await this.#died.catch(() => undefined);
  }

  #answer(): Promise<Failure | undefined> {
    const answered = new Promise<Failure | undefined>((resolve) => this.#waiting.push(resolve));
    return Promise.race([answered, this.#died]);
  }
}
