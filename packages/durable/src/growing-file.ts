// A file that bytes are added to, with room kept on the disk for some that are still to come.
import { closeSync, fdatasync, ftruncate, read, write } from 'node:fs';
import { promisify } from 'node:util';

const readOnce = promisify(read);
const writeOnce = promisify(write);
const truncateTo = promisify(ftruncate);
const sync = promisify(fdatasync);

/** Bytes by which a file grows where the disk has them. */
const stepBytes = 1 << 16;

export class GrowingFile {
  readonly #fd: number;
  #end: number;
  /** From the end to here the file has zeros. */
  #length: number;
  #syncing: Promise<void> | undefined;
  #unsynced = false;

  /**
   * @param fd is closed by `close`.
   * @param end where bytes are added. @param length from the end to there the file has zeros.
   */
  constructor(fd: number, end: number, length: number) {
    this.#fd = fd;
    this.#end = end;
    this.#length = length;
  }

  /** Where the next bytes go. */
  get end(): number {
    return this.#end;
  }

  /**
   * Adds bytes, and has room on the disk for so many more. Calls may not overlap.
   * @throws Error of the file system; then nothing was added.
   */
  async append(bytes: Buffer, room: number): Promise<void> {
    const end = this.#end + bytes.length;
    await this.#lengthen(end + room);
    try {
      await writeAt(this.#fd, bytes, this.#end);
      this.#end = end;
    } catch (error) {
      // Zeros again, now or before the next bytes are added.
      this.#length = this.#end;
      await this.#lengthen(end).catch(() => undefined);
      throw error;
    }
  }

  /** Everything up to the end. @throws Error of the file system, also when the file is shorter. */
  async read(): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(this.#end);
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await readOnce(this.#fd, bytes, done, bytes.length - done, done);
      if (bytesRead === 0) throw new Error(`the file ends at ${done} bytes`);
      done += bytesRead;
    }
    return bytes;
  }

  /** Has the disk write soon what was added. What is added while it does is for the next time. */
  syncSoon(failed: (error: unknown) => void): void {
    this.#unsynced = true;
    this.#syncing ??= this.#sync(failed);
  }

  /** Resolves when the disk has everything. @throws Error of the file system */
  async sync(): Promise<void> {
    await sync(this.#fd);
  }

  /** After what `syncSoon` began. */
  async close(): Promise<void> {
    await this.#syncing;
    closeSync(this.#fd);
  }

  async #sync(failed: (error: unknown) => void): Promise<void> {
    while (this.#unsynced) {
      this.#unsynced = false;
      await this.sync().catch(failed);
    }
    this.#syncing = undefined;
  }

  /** By zeros: what is written over them needs no room on the disk any more. */
  async #lengthen(length: number): Promise<void> {
    let failure: unknown;
    for (const to of [Math.ceil(length / stepBytes) * stepBytes, length]) {
      if (length <= this.#length) return;
      try {
        await writeAt(this.#fd, Buffer.alloc(to - this.#length), this.#length);
        this.#length = to;
      } catch (error) {
        failure = error;
        await truncateTo(this.#fd, this.#length).catch(() => undefined);
      }
    }
    if (length > this.#length) throw failure;
  }
}

/** Writes all of it. @throws Error of the file system; some of it may be written then. */
async function writeAt(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await writeOnce(fd, bytes, done, bytes.length - done, position + done)).bytesWritten;
}
