// The durable file behind an embedded registry: keys are strings, values are protobuf bytes.
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { NsmError } from '@nsm/api';
import { open, type RootDatabase } from 'lmdb';
import { type RegistryLogger, silentLogger } from './registry.js';

/** A value to write, or undefined to remove the key. */
export type Change = readonly [key: string, value: Uint8Array | undefined];

export class RecordStore {
  readonly path: string;
  readonly #logger: RegistryLogger;
  /** The latest change of each key that is on its way to the file. */
  readonly #pending = new Map<string, { readonly value: Uint8Array | undefined }>();
  /** Those of them that the disk did not take; the next write carries them along. */
  readonly #failed = new Set<string>();
  #database: RootDatabase<Uint8Array, string> | undefined;

  constructor(path: string, logger: RegistryLogger = silentLogger) {
    this.path = path;
    this.#logger = logger;
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
      const damage = damageOf(this.path);
      if (damage !== undefined) this.#moveAside(damage);
      try {
        return this.#read();
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#moveAside(error.message);
        return this.#read();
      }
    } catch (error) {
      throw new NsmError(
        'registry',
        `cannot open ${this.path}: ${NsmError.from(error).message}; the state directory must be writable`,
        error,
      );
    } finally {
      rmSync(marker, { force: true });
    }
  }

  /**
   * Writes all changes or none; resolves when they survive a crash of this process.
   * Rejects with kind `registry` when the disk does not take them: they are then tried again with the next write.
   */
  async write(changes: Iterable<Change>): Promise<void> {
    const batch = new Map<string, { readonly value: Uint8Array | undefined }>();
    for (const key of this.#failed) batch.set(key, this.#pending.get(key) ?? { value: undefined });
    this.#failed.clear();
    for (const [key, value] of changes) {
      const entry = { value };
      this.#pending.set(key, entry);
      batch.set(key, entry);
    }
    const database = this.#database;
    let failure: unknown;
    try {
      if (!database) throw new Error('it is closed');
      await database.batch(() => {
        for (const [key, { value }] of batch) {
          if (value) database.put(key, value);
          else database.remove(key);
        }
      });
    } catch (error) {
      failure = error;
    }
    for (const [key, entry] of batch) {
      if (this.#pending.get(key) !== entry) continue;
      if (failure === undefined) this.#pending.delete(key);
      else this.#failed.add(key);
    }
    if (failure !== undefined) {
      throw new NsmError('registry', `cannot write ${this.path}: ${NsmError.from(failure).message}`, failure);
    }
  }

  /** False while the disk refuses what `write` was given for this key. */
  isWritten(key: string): boolean {
    return !this.#failed.has(key);
  }

  async close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
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

/** LMDB's own codes, lmdb.h; everything else is the operating system's. */
function isDamage(error: unknown): error is Error {
  return (
    error instanceof Error &&
    /MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|VERSION_MISMATCH|PANIC)/.test(error.message)
  );
}
