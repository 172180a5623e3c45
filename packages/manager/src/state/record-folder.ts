// Records in a folder, a file each: what damages one file costs one record, and a full disk refuses one write.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';

/** Bytes in front of each record: the beginning of the SHA-256 of the rest. */
const checksumLength = 16;
const suffix = '.record';

export class RecordFolder<T> {
  readonly #path: string;
  /** The last write of each key that has one under way: they follow each other. */
  readonly #tails = new Map<string, Promise<void>>();

  /** @throws Error when the folder cannot be made. */
  constructor(path: string) {
    this.#path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  /** Every record that is whole. @param damaged hears of each file that is not; it is removed. */
  read(damaged: (file: string, reason: string) => void): T[] {
    return readdirSync(this.#path).flatMap((name) => {
      const file = join(this.#path, name);
      // What the death of a process left of an unfinished write.
      if (!name.endsWith(suffix)) rmSync(file, { force: true });
      else {
        try {
          return [open(readFileSync(file)) as T];
        } catch (error) {
          damaged(file, error instanceof Error ? error.message : String(error));
          rmSync(file, { force: true, recursive: true });
        }
      }
      return [];
    });
  }

  /** Removes all records, unread. */
  clear(): void {
    for (const name of readdirSync(this.#path))
      rmSync(join(this.#path, name), { force: true, recursive: true });
  }

  /** Resolves when the record would survive the death of this process. @throws Error of the file system */
  async put(key: string, value: T): Promise<void> {
    await this.#after(key, async () => {
      const file = this.#file(key);
      const unfinished = `${file}.new`;
      try {
        await writeFile(unfinished, seal(value), { mode: 0o600 });
        await rename(unfinished, file);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
    });
  }

  /** What is not there is removed already. */
  async remove(key: string): Promise<void> {
    await this.#after(key, () => rm(this.#file(key), { force: true }));
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    while (this.#tails.size > 0) await Promise.allSettled(this.#tails.values());
  }

  async #after(key: string, work: () => Promise<void>): Promise<void> {
    const before = this.#tails.get(key);
    const mine = before ? before.then(work, work) : work();
    this.#tails.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    }
  }

  /** Keys may hold what no file name can. */
  #file(key: string): string {
    return join(this.#path, createHash('sha256').update(key).digest('hex').slice(0, 32) + suffix);
  }
}

function seal(value: unknown): Buffer {
  const body = serialize(value);
  return Buffer.concat([checksum(body), body]);
}

/** @throws Error when it is not what was written. */
function open(bytes: Buffer): unknown {
  const body = bytes.subarray(checksumLength);
  if (!checksum(body).equals(bytes.subarray(0, checksumLength))) throw new Error('the checksum is wrong');
  return deserialize(body);
}

function checksum(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, checksumLength);
}
