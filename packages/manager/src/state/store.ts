// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import type { RegistryLogger } from '@nsm/registry';
import type { Connection } from './connection.js';
import { Journal } from './journal.js';

export interface StoreOptions {
  /** Hears of damage. Default: nobody does. */
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
  readonly #connections: Journal<Connection>;
  readonly #endpoints: Journal<NetworkServiceEndpoint>;
  readonly #soon = new Map<string, Connection>();
  #gathering: NodeJS.Timeout | undefined;

  /** @throws NsmError `internal` when the folder cannot be written. */
  constructor(stateDir: string, options: StoreOptions = {}) {
    this.#stateDir = stateDir;
    this.#logger = options.logger;
    try {
      const files = [join(stateDir, 'connections'), join(stateDir, 'endpoints')] as const;
      this.#forgetFormerLife(options.bootId ?? bootId(), files);
      this.#connections = this.#open(files[0]);
      this.#endpoints = this.#open(files[1]);
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot open the store in ${stateDir}: ${NsmError.from(error).message}; check --state-dir`,
        error,
      );
    }
  }

  connections(): Connection[] {
    return this.#connections.values();
  }

  /** True when what the file says of connections may be wrong: damage may have taken their end, or their last state. */
  get doubtful(): boolean {
    return this.#connections.damaged > 0;
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
    await this.#written(this.#connections.put(id, connection));
  }

  /** For what a restart finds out again by itself: written together with others, unless it is overtaken until then. */
  putConnectionSoon(connection: Connection): void {
    this.#soon.set(connection.id, connection);
    this.#gathering ??= setTimeout(() => void this.#flush(), gatherFor).unref();
  }

  /** The connection has ended, whatever the disk says. It needs no room for that. */
  async removeConnection(id: string): Promise<void> {
    this.#soon.delete(id);
    try {
      await this.#connections.remove(id);
    } catch (error) {
      this.#logger?.error(
        { err: error, connection: id },
        'not removed from the disk: a restart will find it',
      );
    }
  }

  endpoints(): NetworkServiceEndpoint[] {
    return this.#endpoints.values();
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
    await Promise.all([this.#connections.close(), this.#endpoints.close()]);
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

  #open<T>(file: string): Journal<T> {
    const journal = new Journal<T>(file);
    const { damaged } = journal;
    if (damaged > 0)
      this.#logger?.error({ file, damaged }, 'the file is damaged: going on with what is whole');
    return journal;
  }

  #forgetFormerLife(life: string, files: readonly string[]): void {
    const mark = join(this.#stateDir, 'boot');
    const former = readText(mark);
    if (former === life) return;
    for (const file of files) rmSync(file, { force: true, recursive: true });
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
