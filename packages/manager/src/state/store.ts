// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { openGuarded, type RegistryLogger, requireSpace } from '@nsm/registry';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Connection } from './connection.js';

export interface StoreOptions {
  /** Hears of a file that had to be given up. Default: nobody does. */
  readonly logger?: Pick<RegistryLogger, 'info' | 'warn' | 'error'>;
  /** What differs after each start of the machine. Default: the kernel's boot id, random(4). */
  readonly bootId?: string;
  /** Space left for an ordinary user on the disk of a folder, bytes. Default: asks the kernel. */
  readonly freeBytes?: (folder: string) => number;
}

interface Databases {
  readonly root: RootDatabase;
  readonly connections: Database<Connection, string>;
  readonly endpoints: Database<NetworkServiceEndpoint, string>;
}

/** Milliseconds for which writes that nobody waits for are gathered. */
const gatherFor = 50;
/** More than a record of a connection or an endpoint takes, bytes. */
const recordBytes = 64 << 10;

/**
 * A commit is safe against the death of the process when its promise resolves: the kernel has it. It is never waited
 * for that the disk has it too. If the machine dies, the kernel's half of every connection and every endpoint's process
 * die with it, so a file of a former life of the machine, whole or torn, is not even opened.
 */
export class Store {
  readonly #stateDir: string;
  readonly #freeBytes: (folder: string) => number;
  readonly #logger: StoreOptions['logger'];
  readonly #databases: Databases;
  /** Removals that the disk did not take. */
  readonly #owed = new Map<string, () => Promise<boolean>>();
  readonly #soon = new Map<string, Connection>();
  #gathering: NodeJS.Timeout | undefined;

  /**
   * A file that cannot be read is moved aside and a new one begun.
   * @throws NsmError `internal` when the folder cannot be written.
   */
  constructor(stateDir: string, options: StoreOptions = {}) {
    this.#stateDir = stateDir;
    this.#freeBytes = options.freeBytes ?? freeBytes;
    this.#logger = options.logger;
    const path = join(stateDir, 'manager.mdb');
    try {
      mkdirSync(stateDir, { recursive: true, mode: 0o700 });
      this.#forgetFormerLife(path, options.bootId ?? bootId());
      this.#databases = openGuarded(
        path,
        () => read(path),
        (aside, reason) =>
          options.logger?.error(
            { path, aside, reason },
            'the file of connections and endpoints is damaged: moved aside, starting empty',
          ),
      );
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot open the store ${path}: ${NsmError.from(error).message}; check --state-dir`,
        error,
      );
    }
  }

  connections(): Connection[] {
    return [...this.#databases.connections.getRange().map(({ value }) => value)];
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

  /** @throws NsmError `internal` when the disk is full. */
  async putConnection(connection: Connection): Promise<void> {
    this.#admit();
    this.#soon.delete(connection.id);
    this.#owed.delete(`connection ${connection.id}`);
    await this.#databases.connections.put(connection.id, connection);
  }

  /** For what a restart finds out again by itself: written together with others, unless it is overtaken until then. */
  putConnectionSoon(connection: Connection): void {
    this.#soon.set(connection.id, connection);
    this.#gathering ??= setTimeout(() => void this.#flush(), gatherFor).unref();
  }

  /** What a full disk does not take is tried again with the next write. */
  async removeConnection(id: string): Promise<void> {
    this.#soon.delete(id);
    await this.#remove(`connection ${id}`, () => this.#databases.connections.remove(id));
  }

  endpoints(): NetworkServiceEndpoint[] {
    return [...this.#databases.endpoints.getRange().map(({ value }) => value)];
  }

  /** @throws NsmError `internal` when the disk is full. */
  async putEndpoint(key: string, endpoint: NetworkServiceEndpoint): Promise<void> {
    this.#admit();
    this.#owed.delete(`endpoint ${key}`);
    await this.#databases.endpoints.put(key, endpoint);
  }

  /** What a full disk does not take is tried again with the next write. */
  async removeEndpoint(key: string): Promise<void> {
    await this.#remove(`endpoint ${key}`, () => this.#databases.endpoints.remove(key));
  }

  async close(): Promise<void> {
    await this.#flush();
    await this.#databases.root.close();
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const written = [...this.#soon.values()].map((connection) => this.putConnection(connection));
    for (const outcome of await Promise.allSettled(written))
      if (outcome.status === 'rejected')
        this.#logger?.warn({ err: outcome.reason }, 'the state of a connection is not on the disk');
  }

  async #remove(what: string, remove: () => Promise<boolean>): Promise<void> {
    try {
      this.#admit();
    } catch (error) {
      this.#owed.set(what, remove);
      this.#logger?.warn({ err: error, record: what }, 'not removed from the disk yet');
      return;
    }
    await remove();
  }

  #admit(): void {
    try {
      requireSpace(this.#freeBytes(this.#stateDir), recordBytes);
    } catch (error) {
      throw new NsmError(
        'internal',
        `cannot write to ${this.#stateDir}: ${NsmError.from(error).message}`,
        error,
      );
    }
    for (const [what, remove] of this.#owed) {
      this.#owed.delete(what);
      remove().catch(() => this.#owed.set(what, remove));
    }
  }

  /** The mark lies beside the file, because what a crash of the machine left must not be opened to find out. */
  #forgetFormerLife(path: string, life: string): void {
    const mark = `${path}.boot`;
    const former = readText(mark);
    if (former === life) return;
    for (const file of [path, `${path}-lock`]) rmSync(file, { force: true });
    writeFileSync(mark, life, { mode: 0o600 });
    if (former !== undefined)
      this.#logger?.info({ path }, 'the machine was restarted: starting without connections');
  }
}

/** Reads everything, so that damage shows here. */
function read(path: string): Databases {
  // LMDB writes without waiting for the disk.
  const root = open({ path, noSubdir: true, noSync: true, maxDbs: 4 });
  try {
    const connections = root.openDB<Connection, string>({ name: 'connections' });
    const endpoints = root.openDB<NetworkServiceEndpoint, string>({ name: 'endpoints' });
    for (const database of [connections, endpoints]) for (const _ of database.getRange());
    return { root, connections, endpoints };
  } catch (error) {
    void root.close();
    throw error;
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

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
