// Deletes devices: off the forwarder's thread, and many at once, because each deletion waits ~20 ms in the kernel.
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { type forwarder as fw, NsmError } from '@nsm/api';
import { RouteSocket } from '@nsm/netlink';
import type { Remains } from '../bpf/tunnel-engine.js';
import { type Condemned, deleteDevices, type Failure } from './delete-devices.js';

interface Job extends Condemned {
  readonly resolve: () => void;
  readonly reject: (error: NsmError) => void;
}

/**
 * A deletion holds up only its own thread, so this many namespaces can wait for the kernel at once. A thread is started
 * when it is first needed, and costs about 10 MB.
 */
const maxLanes = 4;

/** The devices of tunnels go together from wherever they are. */
const allTunnels = 0;

/**
 * While one batch waits for the kernel the next gathers: the busier the node, the cheaper each deletion. Batches are of
 * one namespace, or of the tunnels of all.
 */
export class Reaper {
  readonly #gathered = new Map<number, Job[]>();
  readonly #underWay = new Set<number>();
  readonly #lanes = new Set<Lane>();
  readonly #idle: Lane[] = [];
  /** As many as could be started when there was want of threads, until a batch is done. */
  #most = maxLanes;

  /** There will be something to delete: it shall not have to wait until a thread has started. */
  prepare(): void {
    const lane = this.#lanes.size === 0 ? this.#open() : undefined;
    if (lane) this.#idle.push(lane);
  }

  /**
   * Resolves when the kernel has removed every device of a cross-connect on this node.
   * @param outside a device in the node's own namespace that takes those in pods with it. All such are in one namespace:
   * the more at once, the cheaper each.
   * @throws NsmError `dataplane` when it does not.
   */
  async remove({ id, client, endpoint, tunnel }: fw.CrossConnect, outside?: Remains): Promise<void> {
    if (outside) return await this.#condemn({ id, path: '', ...outside }, outside.inode);
    // Deleting one end of a pair deletes the other; the endpoint's namespace has the most in one place.
    const { namespace, name = '' } = endpoint ?? client ?? {};
    if (!namespace) throw new NsmError('invalid', `${id} names no network namespace`);
    const group = tunnel ? allTunnels : namespace.inode;
    const { inode, path } = namespace;
    await this.#condemn({ id, inode, path, name, alias: id, alone: tunnel !== undefined }, group);
  }

  async #condemn(condemned: Condemned, group: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#gather(group, [{ ...condemned, resolve, reject }]);
      this.#dispatch();
    });
  }

  #gather(group: number, jobs: readonly Job[]): void {
    const waiting = this.#gathered.get(group);
    if (waiting) waiting.push(...jobs);
    else this.#gathered.set(group, [...jobs]);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#lanes].map((lane) => lane.stop()));
  }

  /** Undefined when there are as many as there may be. */
  #open(): Lane | undefined {
    if (this.#lanes.size >= this.#most) return undefined;
    try {
      const lane = new Lane();
      this.#lanes.add(lane);
      return lane;
    } catch (thrown) {
      if (NsmError.from(thrown).kind !== 'exhausted') throw thrown;
      this.#most = this.#lanes.size;
      return undefined;
    }
  }

  #dispatch(): void {
    for (const [group, jobs] of this.#gathered) {
      if (this.#underWay.has(group)) continue;
      const lane = this.#idle.pop() ?? this.#open();
      if (!lane && this.#lanes.size > 0) return;
      this.#gathered.delete(group);
      if (!lane) {
        deleteHere(jobs);
        this.#most = maxLanes;
        continue;
      }
      this.#underWay.add(group);
      void this.#work(lane, group, jobs);
    }
  }

  async #work(lane: Lane, group: number, jobs: readonly Job[]): Promise<void> {
    try {
      settle(jobs, await lane.deleteAll(jobs));
      this.#idle.push(lane);
      this.#most = maxLanes;
    } catch (thrown) {
      const error = NsmError.from(thrown);
      // The thread has died; the next job gets another, and what it was to delete is asked for again by the manager.
      this.#lanes.delete(lane);
      if (error.kind === 'exhausted' && this.#lanes.size > 0) {
        // This worker never came up: the others do its work, only later.
        this.#most = this.#lanes.size;
        this.#gather(group, jobs);
      } else if (error.kind === 'exhausted') deleteHere(jobs);
      else for (const { reject } of jobs) reject(error);
    }
    this.#underWay.delete(group);
    this.#dispatch();
  }
}

/** There is no thread for it: everything else waits for it instead. */
function deleteHere(jobs: readonly Job[]): void {
  try {
    using node = RouteSocket.open();
    settle(jobs, deleteDevices(node, jobs));
  } catch (thrown) {
    for (const { reject } of jobs) reject(NsmError.from(thrown));
  }
}

function settle(jobs: readonly Job[], failures: ReadonlyMap<string, Failure>): void {
  for (const { id, resolve, reject } of jobs) {
    const failure = failures.get(id);
    if (failure === undefined) resolve();
    else reject(refused(failure));
  }
}

/** One thread that deletes. */
class Lane {
  readonly #worker: Worker;
  readonly #port: MessageChannel['port1'];
  readonly #started: Promise<unknown>;
  readonly #died: Promise<never>;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = new Worker(new URL('./reaper-worker.js', import.meta.url), {
      workerData: port2,
      transferList: [port2],
    });
    this.#died = new Promise((_, reject) => {
      this.#worker.once('error', (error) => reject(dead(NsmError.from(error))));
      this.#worker.once('exit', (code) => reject(dead(new NsmError('dataplane', `it ended with ${code}`))));
    });
    // Only who waits for an answer cares.
    this.#died.catch(() => undefined);
    this.#started = once(port1, 'message');
    this.#worker.unref();
    port1.unref();
  }

  /**
   * @returns for each id that could not be deleted, why.
   * @throws NsmError `dataplane` when the thread has died, `exhausted` when there are no more threads.
   */
  async deleteAll(batch: readonly Job[]): Promise<ReadonlyMap<string, Failure>> {
    this.#port.ref();
    try {
      await Promise.race([this.#started, this.#died]);
      const answer = once(this.#port, 'message');
      this.#port.postMessage(
        batch.map(({ resolve: _resolve, reject: _reject, ...condemned }): Condemned => condemned),
      );
      const [failures] = await Promise.race([answer, this.#died]);
      return failures as ReadonlyMap<string, Failure>;
    } finally {
      this.#port.unref();
    }
  }

  /** Waits for the thread to end by itself: a thread that is torn down while it loads takes the process with it. */
  async stop(): Promise<void> {
    this.#port.ref();
    await Promise.race([this.#started, this.#died.catch(() => undefined)]);
    this.#port.close();
    await this.#died.catch(() => undefined);
  }
}

function refused({ message, ...kernel }: Failure): NsmError {
  const error = NsmError.from(Object.assign(new Error(message), kernel));
  return error.kind === 'exhausted' ? error : new NsmError('dataplane', message);
}

function dead(reason: NsmError): NsmError {
  const kind = reason.kind === 'exhausted' ? reason.kind : 'dataplane';
  return new NsmError(kind, `the thread that deletes interfaces died: ${reason.message}`, reason);
}
