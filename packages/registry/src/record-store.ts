// The durable file behind an embedded registry: keys are strings, values are protobuf bytes.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NsmError } from '@nsm/api';
import { open, type RootDatabase } from 'lmdb';
import { DiskState } from './disk-state.js';
import { noteClosed, openGuarded, requireSpace } from './lmdb-guards.js';
import { moveUnreadableAside } from './move-aside.js';
import { type RegistryLogger, silentLogger } from './registry.js';

/** A value to write, or undefined to remove the key. */
export type Change = readonly [key: string, value: Uint8Array | undefined];

export interface RecordStoreOptions {
  readonly logger?: RegistryLogger;
  /** Space left for an ordinary user on the disk of a folder, bytes. Default: asks the kernel. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export class RecordStore {
  readonly path: string;
  readonly #logger: RegistryLogger;
  readonly #freeBytes: (folder: string) => Promise<number>;
  readonly #disk: DiskState;
  /** Changes that no commit under way includes: new ones, and those that the disk refused. */
  #waiting = new Map<string, Uint8Array | undefined>();
  /** Changes in the commit under way. */
  #committing: ReadonlyMap<string, Uint8Array | undefined> = new Map();
  /** The commit that will take what is waiting. */
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #database: RootDatabase<Uint8Array, string> | undefined;

  constructor(path: string, options: RecordStoreOptions = {}) {
    this.path = path;
    this.#logger = options.logger ?? silentLogger;
    this.#freeBytes = options.freeBytes ?? freeBytes;
    this.#disk = new DiskState(dirname(path), this.#logger);
  }

  /**
   * Opens the file and returns everything in it. A file that cannot be read is moved aside and a new one begun:
   * what it held is written again by those who want it.
   * @throws NsmError `registry` when the folder cannot be written.
   */
  open(): ReadonlyMap<string, Uint8Array> {
    try {
      for (const belonging of ['', '-lock', '.closed'])
        moveUnreadableAside(`${this.path}${belonging}`, this.#logger);
      return openGuarded(this.path, () => this.#read(), this.#moved);
    } catch (error) {
      throw new NsmError(
        'registry',
        `cannot open ${this.path}: ${NsmError.from(error).message}; the state directory must be writable`,
        error,
      );
    }
  }

  /**
   * Writes all changes or none; resolves when they survive a crash of this process. Changes that come while a
   * commit is under way share the next one.
   * Rejects with kind `registry` when the disk does not take them: they are then tried again with the next write.
   */
  async write(changes: Iterable<Change>): Promise<void> {
    for (const [key, value] of changes) this.#waiting.set(key, value);
    if (!this.#next) {
      this.#next = this.#last.then(() => this.#commit());
      this.#last = this.#next.catch(() => undefined);
    }
    await this.#next;
  }

  /** True when the file has what `write` was given for this key. */
  isWritten(key: string): boolean {
    return !this.#waiting.has(key) && !this.#committing.has(key);
  }

  /** Finishes the writes under way. */
  async close(): Promise<void> {
    await this.#last;
    const database = this.#database;
    this.#database = undefined;
    if (!database) return;
    await database.close();
    try {
      noteClosed(this.path);
    } catch {
      // The folder has gone, or its disk is full: the next start checks the file.
    }
  }

  async #commit(): Promise<void> {
    try {
      await this.#checkSpace();
      const batch = this.#waiting;
      this.#waiting = new Map();
      this.#next = undefined;
      this.#committing = batch;
      await this.#write(batch);
      this.#disk.took();
    } catch (error) {
      if (this.#database) this.#disk.refused(error);
      this.#next = undefined;
      this.#waiting = new Map([...this.#committing, ...this.#waiting]);
      throw new NsmError('registry', `cannot write ${this.path}: ${NsmError.from(error).message}`, error);
    } finally {
      this.#committing = new Map();
    }
  }

  async #checkSpace(): Promise<void> {
    const size = [...this.#waiting.values()].reduce((sum, value) => sum + (value?.length ?? 0), 0);
    requireSpace(await this.#freeBytes(dirname(this.path)), size);
  }

  async #write(batch: ReadonlyMap<string, Uint8Array | undefined>): Promise<void> {
    const database = this.#database;
    if (!database) throw new Error('it is closed');
    try {
      await database.batch(() => {
        for (const [key, value] of batch) {
          const written = value ? database.put(key, value) : database.remove(key);
          // The batch reports it.
          written.catch(() => undefined);
        }
      });
    } catch (error) {
      if (!(error instanceof Error && 'commitError' in error)) throw error;
      // lmdb hides the cause in a promise.
      await error.commitError;
      throw error;
    }
  }

  #read(): ReadonlyMap<string, Uint8Array> {
    const database = open<Uint8Array, string>({
      path: this.path,
      noSubdir: true,
      encoding: 'binary',
      // A commit is complete when the kernel has it; the disk follows behind.
      overlappingSync: true,
    });
    try {
      const entries = new Map<string, Uint8Array>();
      for (const { key, value } of database.getRange()) entries.set(key, Uint8Array.from(value));
      this.#database = database;
      return entries;
    } catch (error) {
      void database.close();
      throw error;
    }
  }

  readonly #moved = (aside: string, reason: string): void =>
    this.#logger.error(
      { path: this.path, aside, reason },
      'the registry file is damaged: moved aside, starting empty',
    );
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
