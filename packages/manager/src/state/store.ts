// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { type Codec, moveUnreadableAside, RecordFile, type StateLogger } from '@nsm/durable';
import type { Connection } from './connection.js';
import { connectionCodec, endpointCodec, pastCodec } from './connection-codec.js';
import type { Noted } from './connection-histories.js';
import { connectionOf, readJournal } from './earlier-journal.js';
import { KeptPast } from './kept-past.js';
import { type KeptRefusal, refusalCodec } from './kept-refusal.js';

export interface StoreOptions {
  /** Hears of damage. Default: nobody does. */
  readonly logger?: StateLogger;
  /** What differs after each start of the machine. Default: the kernel's boot id, random(4). */
  readonly bootId?: string;
}

/** Hears of each write: milliseconds until it was safe, and whether it failed. */
export type WriteListener = (tookMs: number, failed: boolean) => void;

/**
 * A file's name has the boot id of the machine's life that it belongs to. Without `.records` it is a journal of an earlier version;
 * `.new` is one that was being written anew.
 */
const fileName =
  /^(?:connections|endpoints|histories|refusals)\.(?<life>[^.]*)(?:\.records)?(?<unfinished>\.new)?$/;

/** Milliseconds for which writes that nobody waits for are gathered. */
const gatherFor = 50;

/**
 * A record is safe against the death of the process when its promise resolves: the kernel has it. Nothing waits
 * for that the disk has it too. If the machine dies, the kernel's half of every connection and every endpoint's process
 * die with it, so what a former life of the machine left is not even read.
 */
export class Store {
  readonly #stateDir: string;
  readonly #logger: StateLogger | undefined;
  readonly #connections: RecordFile<Connection>;
  readonly #endpoints: RecordFile<NetworkServiceEndpoint>;
  /** By id of the connection. */
  readonly histories: KeptPast<Noted>;
  /** By pod and network service. */
  readonly refusals: KeptPast<KeptRefusal>;
  #doubtful: boolean;
  #onWrite: WriteListener | undefined;
  readonly #soon = new Map<string, Connection>();
  #gathering: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(stateDir: string, life: string, logger: StateLogger | undefined) {
    this.#stateDir = stateDir;
    this.#logger = logger;
    const pathOf = (kind: string): string => join(stateDir, `${kind}.${life}.records`);
    const open = <T>(kind: string, codec: Codec<T>): RecordFile<T> =>
      new RecordFile(pathOf(kind), codec, logger ? { logger } : {});
    this.#connections = open('connections', connectionCodec);
    this.#endpoints = open('endpoints', endpointCodec);
    this.histories = new KeptPast(pathOf('histories'), pastCodec, logger);
    this.refusals = new KeptPast(pathOf('refusals'), refusalCodec, logger);
    this.#doubtful = this.#connections.doubtful;
    const there = new Set(this.connections().map(({ id }) => id));
    for (const [id] of this.histories.entries()) if (!there.has(id)) this.histories.put(id, undefined);
  }

  /**
   * @throws NsmError `conflict` when a later version wrote the files; they are left as they are. `disk` when the disk takes nothing,
   * `internal` when the folder cannot be written for another reason.
   */
  static async open(
    stateDir: string,
    { logger, bootId = kernelBootId() }: StoreOptions = {},
  ): Promise<Store> {
    const store = new Store(stateDir, bootId, logger);
    try {
      store.#doubtful =
        (await store.#takeOver('connections', bootId, store.#connections, connectionOf)) || store.#doubtful;
      await store.#takeOver(
        'endpoints',
        bootId,
        store.#endpoints,
        (record) => record as NetworkServiceEndpoint,
      );
      store.#forgetFormerLives(bootId);
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  onWrite(listener: WriteListener): void {
    this.#onWrite = listener;
  }

  /** True when what the file says of connections may be wrong: damage may have taken their end, or their last state. */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  connections(): Connection[] {
    return [...this.#connections.entries()].map(([, connection]) => connection);
  }

  /**
   * @param name of the manager that uses this store: the ids of its connections begin with it.
   * @throws NsmError `conflict` when the store has connections of another manager: nobody would look after them.
   */
  admitManager(name: string): void {
    const others = this.connections().map(({ id }) => id.slice(0, id.lastIndexOf(':')));
    const other = others.find((owner) => owner !== name);
    if (other === undefined) return;
    throw new NsmError(
      'conflict',
      `${this.#stateDir} has ${others.length} ${others.length === 1 ? 'connection' : 'connections'} of manager ` +
        `${JSON.stringify(other)}: start it with --name ${other} to use or close them, or choose another --state-dir`,
    );
  }

  /** @throws NsmError what `RecordFile` throws: `disk` when the disk takes nothing, `stopping` after `close`. */
  async putConnection(connection: Connection): Promise<void> {
    const { id } = connection;
    this.#soon.delete(id);
    await this.#write(this.#connections, id, connection);
  }

  /** For what a restart finds out again by itself: written together with others, unless it is overtaken until then. */
  putConnectionSoon(connection: Connection): void {
    if (this.#closed) return;
    this.#soon.set(connection.id, connection);
    this.#gathering ??= setTimeout(() => void this.#flush(), gatherFor).unref();
  }

  /** Removes the record of a connection that has ended; a failure is logged. Needs no room on the disk. */
  async removeConnection(id: string): Promise<void> {
    this.#soon.delete(id);
    if (this.#closed) return;
    try {
      await this.#write(this.#connections, id, undefined);
    } catch (error) {
      this.#logger?.error(
        { err: error, connection: id },
        'not removed from the disk: a restart will find it',
      );
    }
  }

  endpoints(): NetworkServiceEndpoint[] {
    return [...this.#endpoints.entries()].map(([, endpoint]) => endpoint);
  }

  /** @throws NsmError as `putConnection` does. */
  async putEndpoint(key: string, endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#write(this.#endpoints, key, endpoint);
  }

  async removeEndpoint(key: string): Promise<void> {
    await this.#write(this.#endpoints, key, undefined);
  }

  /** Writes what waits. Later changes are dropped: a restart finds them out again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#flush();
    const all = [this.#connections, this.#endpoints, this.histories, this.refusals];
    await Promise.all(all.map((file) => file.close()));
  }

  async #write<T>(file: RecordFile<T>, key: string, record: T | undefined): Promise<void> {
    const begunAt = performance.now();
    let failed = true;
    try {
      await file.write([[key, record]]);
      failed = false;
    } finally {
      this.#onWrite?.(performance.now() - begunAt, failed);
    }
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const written = [...this.#soon.values()].map((connection) => this.putConnection(connection));
    // A disk that is full is told of once, by the file.
    for (const outcome of await Promise.allSettled(written))
      if (outcome.status === 'rejected' && NsmError.from(outcome.reason).kind !== 'disk')
        this.#logger?.warn({ err: outcome.reason }, 'the state of a connection is not on the disk');
  }

  /**
   * What a version before this one wrote, as long as it is there: it goes when all of it has been taken over.
   * @returns true when it was damaged.
   */
  async #takeOver<T>(
    kind: string,
    life: string,
    file: RecordFile<T>,
    restored: (record: unknown) => T,
  ): Promise<boolean> {
    const path = join(this.#stateDir, `${kind}.${life}`);
    if (moveUnreadableAside(path, this.#logger)) return true;
    if (!existsSync(path)) return false;
    const { records, damaged } = readJournal(path);
    if (damaged) this.#logger?.error({ path }, 'the file is damaged: going on with what is whole');
    await file.write([...records].map(([key, record]) => [key, restored(record)]));
    rmSync(path);
    return damaged;
  }

  #forgetFormerLives(life: string): void {
    let restarted = false;
    for (const name of readdirSync(this.#stateDir)) {
      const file = fileName.exec(name)?.groups;
      if (!file || (file.life === life && !file.unfinished)) continue;
      rmSync(join(this.#stateDir, name), { recursive: true, force: true });
      restarted ||= file.life !== life;
    }
    if (restarted)
      this.#logger?.info(
        { folder: this.#stateDir },
        'the machine was restarted: starting without connections',
      );
  }
}

function kernelBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
