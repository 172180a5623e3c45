// What a manager must still know after a restart: its connections and the endpoints advertised to it.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { DiskState, isDiskRefusal, moveUnreadableAside, type RegistryLogger } from '@nsm/registry';
import type { Connection } from './connection.js';
import { Journal } from './journal.js';
import { restored, type StoredConnection, stored } from './stored-connection.js';

export interface StoreOptions {
  /** Hears of damage. Default: nobody does. */
  readonly logger?: Pick<RegistryLogger, 'info' | 'warn' | 'error'>;
  /** What differs after each start of the machine. Default: the kernel's boot id, random(4). */
  readonly bootId?: string;
}

/** A journal's name has the boot id of the machine's life that it belongs to; `.new` is one that was being written anew. */
const journalName = /^(?:connections|endpoints)\.(?<life>[^.]*)(?<unfinished>\.new)?$/;

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
  readonly #connections: Journal<StoredConnection>;
  readonly #endpoints: Journal<NetworkServiceEndpoint>;
  readonly #disk: DiskState;
  /** True when what the file says of connections may be wrong: damage may have taken their end, or their last state. */
  readonly doubtful: boolean;
  readonly #soon = new Map<string, Connection>();
  #gathering: NodeJS.Timeout | undefined;
  #closed = false;

  /** @throws NsmError `disk` when the disk takes nothing, `internal` when the folder cannot be written for another reason. */
  constructor(stateDir: string, options: StoreOptions = {}) {
    this.#stateDir = stateDir;
    this.#logger = options.logger;
    this.#disk = new DiskState(stateDir, this.#logger);
    try {
      const life = options.bootId ?? bootId();
      this.#forgetFormerLives(life);
      const connections = join(stateDir, `connections.${life}`);
      const lost = moveUnreadableAside(connections, this.#logger);
      this.#connections = this.#open(connections);
      this.doubtful = lost || this.#connections.damaged > 0;
      const endpoints = join(stateDir, `endpoints.${life}`);
      moveUnreadableAside(endpoints, this.#logger);
      this.#endpoints = this.#open(endpoints);
    } catch (error) {
      throw new NsmError(
        isDiskRefusal(error) ? 'disk' : NsmError.from(error).kind,
        `cannot open the store in ${stateDir}: ${NsmError.from(error).message}; check --state-dir`,
        error,
      );
    }
  }

  /** @throws NsmError `conflict` when a later version wrote them; nothing is changed then. */
  connections(): Connection[] {
    try {
      return this.#connections.values().map(restored);
    } catch (error) {
      throw new NsmError('conflict', `${this.#stateDir}: ${NsmError.from(error).message}`, error);
    }
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

  /** @throws NsmError `disk` when the disk takes nothing, `internal` when it does not take it for another reason. */
  async putConnection(connection: Connection): Promise<void> {
    const { id } = connection;
    this.#soon.delete(id);
    await this.#written(() => this.#connections.put(id, stored(connection)));
  }

  /** For what a restart finds out again by itself: written together with others, unless it is overtaken until then. */
  putConnectionSoon(connection: Connection): void {
    if (this.#closed) return;
    this.#soon.set(connection.id, connection);
    this.#gathering ??= setTimeout(() => void this.#flush(), gatherFor).unref();
  }

  /** The connection has ended, whatever the disk says. It needs no room for that. */
  async removeConnection(id: string): Promise<void> {
    this.#soon.delete(id);
    if (this.#closed) return;
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

  /** @throws NsmError `disk` when the disk takes nothing, `internal` when it does not take it for another reason. */
  async putEndpoint(key: string, endpoint: NetworkServiceEndpoint): Promise<void> {
    await this.#written(() => this.#endpoints.put(key, endpoint));
  }

  async removeEndpoint(key: string): Promise<void> {
    await this.#written(() => this.#endpoints.remove(key));
  }

  /** What changes from now on is what a restart finds out again. */
  async close(): Promise<void> {
    await this.#flush();
    this.#closed = true;
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

  async #written(write: () => Promise<void>): Promise<void> {
    if (this.#closed) throw new NsmError('stopping', 'this manager has stopped');
    try {
      await write();
      this.#disk.took();
    } catch (error) {
      const message = `cannot write to ${this.#stateDir}: ${NsmError.from(error).message}`;
      if (!isDiskRefusal(error)) throw new NsmError(NsmError.from(error).kind, message, error);
      const refusal = new NsmError('disk', `${message}; free space on the disk of --state-dir`, error);
      this.#disk.refused(refusal);
      throw refusal;
    }
  }

  #open<T>(file: string): Journal<T> {
    const journal = new Journal<T>(file);
    const { damaged } = journal;
    if (damaged > 0)
      this.#logger?.error({ file, damaged }, 'the file is damaged: going on with what is whole');
    return journal;
  }

  #forgetFormerLives(life: string): void {
    let restarted = false;
    for (const name of readdirSync(this.#stateDir)) {
      const journal = journalName.exec(name)?.groups;
      if (!journal || (journal.life === life && !journal.unfinished)) continue;
      rmSync(join(this.#stateDir, name), { recursive: true, force: true });
      restarted ||= journal.life !== life;
    }
    if (restarted)
      this.#logger?.info(
        { folder: this.#stateDir },
        'the machine was restarted: starting without connections',
      );
  }
}

/** The kernel's boot id, random(4). */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
