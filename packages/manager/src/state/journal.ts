// Records in one file that grows: a change is one write, changes of the same moment share it, damage costs single records.
import { close, closeSync, constants, ftruncate, openSync, readFileSync, write } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { frameOf, framesIn, markOffset, removedMark } from './journal-frames.js';

const writeAt = promisify(write);
const truncateTo = promisify(ftruncate);
const closeFile = promisify(close);

/** A file is written anew when it is larger than this, in bytes, and so many times larger than what is needed of it. */
const bloated = { bytes: 1 << 20, times: 4 };

/** A record, and where its newest version lies in the file. */
interface Placed<T> {
  readonly value: T;
  readonly offset: number;
  readonly size: number;
}

interface Change<T> {
  readonly key: string;
  /** Undefined: the record is removed. */
  readonly put: { readonly value: T; readonly frame: Buffer } | undefined;
}

/** What the disk did not do of several changes. */
interface Outcome {
  readonly notWritten?: unknown;
  readonly notRemoved?: unknown;
}

/**
 * A record is appended, and takes the place of an earlier one of its key. Removal marks it where it lies: a full disk does
 * not keep what has ended. What nobody needs any more stays behind when the file is written anew.
 */
export class Journal<T> {
  /** Bytes of the file that are nothing that was written: records may be missing, older than they were, or back again. */
  readonly damaged: number;
  readonly #path: string;
  readonly #records = new Map<string, Placed<T>>();
  #fd: number;
  #length: number;
  /** Bytes of the records. */
  #needed = 0;
  /** Length of the file from which on it may be written anew. */
  #renewFrom: number;
  #waiting: Change<T>[] = [];
  #next: Promise<Outcome> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws Error of the file system when the file cannot be read or written. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      const bytes = readFileSync(this.#fd);
      const { frames, damaged } = framesIn(bytes);
      this.damaged = damaged;
      this.#length = bytes.length;
      this.#renewFrom = damaged > 0 ? 0 : bloated.bytes;
      for (const { key, value, removed, offset, size } of frames)
        this.#place(key, removed ? undefined : { value: value as T, offset, size });
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  values(): T[] {
    return [...this.#records.values()].map(({ value }) => value);
  }

  /** Resolves when the record would survive the death of this process. @throws Error of the file system */
  async put(key: string, value: T): Promise<void> {
    const { notWritten } = await this.#change({ key, put: { value, frame: frameOf(key, value) } });
    if (notWritten !== undefined) throw notWritten;
  }

  /** What is not there is removed already. @throws Error of the file system; then the record is still there */
  async remove(key: string): Promise<void> {
    const { notRemoved } = await this.#change({ key, put: undefined });
    if (notRemoved !== undefined) throw notRemoved;
  }

  /** Finishes what is being written. Idempotent. */
  async close(): Promise<void> {
    await this.#last;
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) await closeFile(fd);
  }

  #change(change: Change<T>): Promise<Outcome> {
    this.#waiting.push(change);
    this.#next ??= this.#last.then(() => this.#write());
    this.#last = this.#next;
    return this.#next;
  }

  async #write(): Promise<Outcome> {
    const changes = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    if (this.#length > this.#renewFrom) await this.#renew();
    let offset = this.#length;
    const notWritten = await this.#append(changes.flatMap(({ put }) => put?.frame ?? []));
    const removed = new Map<number, () => void>();
    for (const { key, put } of changes) {
      const former = this.#records.get(key);
      if (put && notWritten === undefined) {
        this.#place(key, { value: put.value, offset, size: put.frame.length });
        offset += put.frame.length;
      } else if (!put && former) {
        this.#place(key, undefined);
        removed.set(former.offset, () => {
          if (!this.#records.has(key)) this.#place(key, former);
        });
      }
    }
    return { notWritten, notRemoved: await this.#mark(removed) };
  }

  /** Returns why the disk did not take them; then it has taken none. */
  async #append(frames: readonly Buffer[]): Promise<unknown> {
    const bytes = Buffer.concat(frames);
    try {
      for (let done = 0; done < bytes.length; ) {
        const left = bytes.length - done;
        done += (await writeAt(this.#fd, bytes, done, left, this.#length + done)).bytesWritten;
      }
      this.#length += bytes.length;
      return undefined;
    } catch (error) {
      await truncateTo(this.#fd, this.#length).catch(() => undefined);
      return error;
    }
  }

  /** Marks records as removed; each that the disk keeps is put back. Returns why it did, or undefined. */
  async #mark(removed: ReadonlyMap<number, () => void>): Promise<unknown> {
    let failure: unknown;
    const marks = [...removed].map(async ([offset, putBack]) => {
      try {
        await writeAt(this.#fd, removedMark, 0, removedMark.length, offset + markOffset);
      } catch (error) {
        putBack();
        failure = error;
      }
    });
    await Promise.all(marks);
    return failure;
  }

  /** Where there is no room for a second file, the first goes on. */
  async #renew(): Promise<void> {
    const { bytes: least, times } = bloated;
    this.#renewFrom = Math.max(least, times * this.#needed);
    if (this.#length <= this.#renewFrom && this.damaged === 0) return;
    const unfinished = `${this.#path}.new`;
    try {
      const bytes = await readFile(this.#path);
      const places = [...this.#records].map(([key, placed]) => ({ key, ...placed }));
      const kept = places.map(({ offset, size }) => bytes.subarray(offset, offset + size));
      await writeFile(unfinished, Buffer.concat(kept), { mode: 0o600 });
      const fd = openSync(unfinished, constants.O_RDWR);
      await rename(unfinished, this.#path);
      await closeFile(this.#fd);
      this.#fd = fd;
      this.#length = 0;
      for (const { key, value, size } of places) {
        this.#place(key, { value, offset: this.#length, size });
        this.#length += size;
      }
    } catch {
      this.#renewFrom = 2 * this.#length;
    }
  }

  #place(key: string, placed: Placed<T> | undefined): void {
    this.#needed += (placed?.size ?? 0) - (this.#records.get(key)?.size ?? 0);
    if (placed) this.#records.set(key, placed);
    else this.#records.delete(key);
  }
}
