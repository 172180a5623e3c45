// The durable file behind an embedded registry: keys are strings, values are protobuf bytes.
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NsmError } from '@nsm/api';
import { open, type RootDatabase } from 'lmdb';
import { type RegistryLogger, silentLogger } from './registry.js';

/** A value to write, or undefined to remove the key. */
export type Change = readonly [key: string, value: Uint8Array | undefined];

export interface RecordStoreOptions {
  readonly logger?: RegistryLogger;
  /** Space left for an ordinary user on the disk of a folder, bytes. Default: asks the kernel. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

/** Space on the disk below which nothing is written, bytes: room for the tree and for others who write. */
const minSpaceBytes = 4 << 20;

export class RecordStore {
  readonly path: string;
  readonly #logger: RegistryLogger;
  readonly #freeBytes: (folder: string) => Promise<number>;
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
  }

  /**
   * Opens the file and returns everything in it. A file that cannot be read is moved aside and a new one begun:
   * what it held is written again by those who want it.
   * @throws NsmError `registry` when the folder cannot be written.
   */
  open(): ReadonlyMap<string, Uint8Array> {
    // Present only while the file is being read: a damaged one can crash the process, but it does so only once.
    const marker = `${this.path}.opening`;
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
      if (existsSync(marker)) this.#moveAside('reading it ended the process');
      closeSync(openSync(marker, 'w'));
      try {
        return this.#openOrMoveAside();
      } finally {
        rmSync(marker);
      }
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
    await database?.close();
  }

  async #commit(): Promise<void> {
    try {
      await this.#checkSpace();
      const batch = this.#waiting;
      this.#waiting = new Map();
      this.#next = undefined;
      this.#committing = batch;
      await this.#write(batch);
    } catch (error) {
      this.#next = undefined;
      this.#waiting = new Map([...this.#committing, ...this.#waiting]);
      throw new NsmError('registry', `cannot write ${this.path}: ${NsmError.from(error).message}`, error);
    } finally {
      this.#committing = new Map();
    }
  }

  /** lmdb 3.5 corrupts its heap when the disk is full, and ends the process: it must not come to that. */
  async #checkSpace(): Promise<void> {
    const free = await this.#freeBytes(dirname(this.path));
    const size = [...this.#waiting.values()].reduce((sum, value) => sum + (value?.length ?? 0), 0);
    const needed = minSpaceBytes + 4 * size;
    if (free < needed) {
      throw new Error(`the disk is full: ${free} bytes are left, ${needed} are needed; free some space`);
    }
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

  #openOrMoveAside(): ReadonlyMap<string, Uint8Array> {
    const damage = damageOf(this.path);
    if (damage !== undefined) this.#moveAside(damage);
    try {
      return this.#read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#moveAside(error.message);
      return this.#read();
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

  #moveAside(reason: string): void {
    if (!existsSync(this.path)) return;
    const aside = `${this.path}.damaged-${Date.now()}`;
    renameSync(this.path, aside);
    rmSync(`${this.path}-lock`, { force: true });
    this.#logger.error(
      { path: this.path, aside, reason },
      'the registry file is damaged: moved aside, starting empty',
    );
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * What is wrong with an LMDB file by its two meta pages, if anything. LMDB maps the file into memory and trusts
 * it: a file shorter than its meta page says would end the process with SIGBUS.
 * Offsets: MDB_page (24 bytes) and MDB_meta of mdb.c, data version 2.
 */
function damageOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const { size } = statSync(path);
  if (size === 0) return undefined;
  const file = openSync(path, 'r');
  try {
    let pageSize = 0;
    for (const page of [0, 1]) {
      const meta = Buffer.alloc(160);
      if (readSync(file, meta, 0, meta.length, page * pageSize) < meta.length) return 'it is cut short';
      if (meta.readUInt32LE(24) !== 0xbeefc0de) return 'it is not an LMDB file';
      pageSize = meta.readUInt32LE(48);
      const pages = meta.readBigUInt64LE(144) + 1n;
      if (pages * BigInt(pageSize) > BigInt(size)) return `it is cut short: ${size} bytes of ${pages} pages`;
    }
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** The operating system's errors are strings from Node.js and positive numbers from LMDB; the rest is the file's. */
function isDamage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return !('code' in error) || (typeof error.code === 'number' && error.code < 0);
}
