// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import type { RegistryLogger } from '@nsm/registry';
import type { Connection } from './connection.js';
import { RecordFolder } from './record-folder.js';

export interface StoreOptions {
  /** Hears of records that are damaged. Default: nobody does. */
  readonly logger?: Pick<RegistryLogger, 'info' | 'warn' | 'error'>;
  /** What differs after each start of the machine. Default: the kernel's boot id, random(4). */
  readonly bootId?: string;
}

/** Milliseconds for which writes that nobody waits for are gathered. */
const gatherFor = 50;

/**
 * A record is safe against the death of the process when its promise resolves: the kernel has it. It is never waited
 * for that the disk has it too. If the machine dies, the kernel's half of every connection and every endpoint's process
 * die with it, so what a former life of the machine left is not even read.
 */
export class Store {
  readonly #stateDir: string;
  readonly #logger: StoreOptions['logger'];
  readonly #connections: RecordFolder<Connection>;
  readonly #endpoints: RecordFolder<NetworkServiceEndpoint>;
  readonly #soon = new Map<string, Connection>();
  /** Records that the disk would not let go of: removed after the next write that it takes. */
  readonly #owed = new Set<string>();
  #gathering: NodeJS.Timeout | undefined;

  /** @throws NsmError `internal` when the folder cannot be written. */
  constructor(stateDir: string, options: StoreOptions = {}) {
    this.#stateDir = stateDir;
    this.#logger = options.logger;
    try {
      this.#connections = new RecordFolder(join(stateDir, 'connections'));
      this.#endpoints = new RecordFolder(join(stateDir, 'endpoints'));
      this.#forgetFormerLife(options.bootId ?? bootId());
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot open the store in ${stateDir}: ${NsmError.from(error).message}; check --state-dir`,
        error,
      );
    }
  }

  connections(): Connection[] {
    return this.#read(this.#connections);
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

  /** @throws NsmError `internal` when the disk does not take it. */
  async putConnection(connection: Connection): Promise<void> {
    const { id } = connection;
    this.#soon.delete(id);
    this.#owed.delete(id);
    await this.#written(this.#connections.put(id, connection));
    for (const owed of this.#owed) await this.removeConnection(owed);
  }

  /** For what a restart finds out again by itself: written together with others, unless it is overtaken until then. */
  putConnectionSoon(connection: Connection): void {
    this.#soon.set(connection.id, connection);
    this.#gathering ??= setTimeout(() => void this.#flush(), gatherFor).unref();
  }

  /** The connection has ended, whatever the disk says: what it does not take is tried again later. */
  async removeConnection(id: string): Promise<void> {
    this.#soon.delete(id);
    this.#owed.delete(id);
    try {
      await this.#connections.remove(id);
    } catch (error) {
      this.#owed.add(id);
      this.#logger?.warn({ err: error, connection: id }, 'not removed from the disk yet');
    }
  }

  endpoints(): NetworkServiceEndpoint[] {
    return this.#read(this.#endpoints);
  }

  /** @throws NsmError `internal` when the disk does not take it. */
  async putEndpoint(key: string, endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#written(this.#endpoints.put(key, endpoint));
  }

  async removeEndpoint(key: string): Promise<void> {
    await this.#written(this.#endpoints.remove(key));
  }

  async close(): Promise<void> {
    await this.#flush();
    await Promise.all([this.#connections.settled(), this.#endpoints.settled()]);
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const written = [...this.#soon.values()].map((connection) => this.putConnection(connection));
    for (const outcome of await Promise.allSettled(written))
      if (outcome.status === 'rejected')
        this.#logger?.warn({ err: outcome.reason }, 'the state of a connection is not on the disk');
  }

  async #written(write: Promise<void>): Promise<void> {
    try {
      await write;
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot write to ${this.#stateDir}: ${NsmError.from(error).message}`,
        error,
      );
    }
  }

  #read<T>(folder: RecordFolder<T>): T[] {
    return folder.read((file, reason) =>
      this.#logger?.error({ file, reason }, 'a record is damaged: going on without it'),
    );
  }

  #forgetFormerLife(life: string): void {
    const mark = join(this.#stateDir, 'boot');
    const former = readText(mark);
    if (former === life) return;
    for (const folder of [this.#connections, this.#endpoints]) folder.clear();
    writeFileSync(mark, life, { mode: 0o600 });
    if (former !== undefined)
      this.#logger?.info(
        { folder: this.#stateDir },
        'the machine was restarted: starting without connections',
      );
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}
