// Records in one file that grows: a change is one small write, changes of the same moment share it, damage costs single records.
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { NsmError } from '@nsm/api';
import { DiskState, isDiskRefusal } from './disk-state.js';
import { endBytes, type Frame, frameOf, framesIn } from './frames.js';
import { GrowingFile } from './growing-file.js';
import { moveUnreadableAside } from './move-aside.js';
import type { StateLogger } from './state-logger.js';

/** How a record is written. */
export interface Codec<T> {
  /** Version by which records are written, from 1; all earlier ones are read. */
  readonly schema: number;
  encode(record: T): Uint8Array;
  /** @param schema by which it was written. @throws Error when it is none; then it counts as damaged. */
  decode(bytes: Uint8Array, schema: number): T;
}

/** A record to write, or undefined where it ends. */
export type Change<T> = readonly [key: string, record: T | undefined];

export interface RecordFileOptions {
  /** Hears of damage, and of a disk that takes nothing. Default: nobody does. */
  readonly logger?: StateLogger;
  /** The disk is told to write as well, and not waited for: a machine that dies costs the last moments. Default: false. */
  readonly outlivesMachine?: boolean;
}

/** A file is written anew when it is larger than this, in bytes, and so many times larger than what is needed of it. */
const bloated = { bytes: 1 << 20, times: 4 };
/** A record, and where its newest version lies in the file. */
interface Placed<T> {
  readonly record: T;
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** What one caller writes. */
interface Work<T> {
  readonly changes: readonly (readonly [...Change<T>, frame: Buffer])[];
  /** It needs no more room than there is. */
  readonly endsOnly: boolean;
  refusal?: NsmError;
}

/**
 * After the last change the file has zeros: as many bytes as it takes to end every record. A record is refused where the disk has
 * no room for its end as well, so a full disk keeps nothing alive.
 */
export class RecordFile<T> {
  readonly path: string;
  /** True when records may be missing, older than they were, or back again: the file was damaged. */
  readonly doubtful: boolean;
  readonly #codec: Codec<T>;
  readonly #logger: StateLogger | undefined;
  readonly #disk: DiskState;
  readonly #outlivesMachine: boolean;
  readonly #placed = new Map<string, Placed<T>>();
  #file: GrowingFile;
  /** Bytes of the records, and those that their ends will take. */
  #needed = 0;
  #ends = 0;
  #damaged: boolean;
  /** The file is not written anew before it is longer. */
  #renewFrom = bloated.bytes;
  #waiting: Work<T>[] = [];
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /**
   * Opens the file, or makes it; its folder must exist.
   * @throws NsmError `conflict` when a later version wrote to it; nothing is changed then. `disk` when the disk takes no file,
   * `internal` when it cannot be opened for another reason.
   */
  constructor(path: string, codec: Codec<T>, { logger, outlivesMachine = false }: RecordFileOptions = {}) {
    this.path = path;
    this.#codec = codec;
    this.#logger = logger;
    this.#disk = new DiskState(path, logger);
    this.#outlivesMachine = outlivesMachine;
    let fd = -1;
    try {
      const lost = moveUnreadableAside(path, logger);
      fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const bytes = readFileSync(fd);
      const { frames, end, torn, ...found } = framesIn(bytes);
      const damaged = found.damaged + this.#load(frames);
      if (damaged > 0) logger?.error({ path, damaged }, 'the file is damaged: going on with what is whole');
      this.#file = new GrowingFile(fd, end, torn ? end : bytes.length);
      this.#damaged = damaged > 0;
      this.doubtful = lost || damaged > 0;
      // Left behind at once, or every start would tell of the same damage.
      if (this.#damaged) this.#last = this.#renew();
    } catch (thrown) {
      if (fd >= 0) closeSync(fd);
      const error = NsmError.from(thrown);
      if (error.kind === 'conflict') throw error;
      const kind = isDiskRefusal(thrown) ? 'disk' : error.kind;
      throw new NsmError(kind, `cannot open ${path}: ${error.message}; check --state-dir`, thrown);
    }
  }

  /** What the file has, by key. */
  *entries(): Generator<readonly [key: string, record: T]> {
    for (const [key, { record }] of this.#placed) yield [key, record];
  }

  /**
   * Changes are made in their order. Resolves when they would survive the death of this process: the kernel has them. A process
   * that dies before has made the first few of them.
   * @throws NsmError `disk` when the disk takes nothing, `stopping` after `close`, `internal` when the file cannot be written
   * for another reason; then none of them is made.
   */
  async write(changes: readonly Change<T>[]): Promise<void> {
    if (this.#closed) throw new NsmError('stopping', `${this.path} is closed: nothing is written any more`);
    const { schema } = this.#codec;
    const work: Work<T> = {
      changes: changes.map(([key, record]) => {
        const value = record === undefined ? undefined : this.#codec.encode(record);
        return [key, record, frameOf(schema, key, value)];
      }),
      endsOnly: changes.every(([, record]) => record === undefined),
    };
    this.#waiting.push(work);
    this.#next ??= this.#last.then(() => this.#commit());
    this.#last = this.#next;
    await this.#next;
    if (work.refusal) throw work.refusal;
  }

  /** Finishes what is being written; whatever comes later is refused. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#last.then(() => this.#file.close());
    return this.#closed;
  }

  /** Returns how many bytes cannot be read. */
  #load(frames: readonly Frame[]): number {
    let unreadable = 0;
    for (const { change, offset, size } of frames) {
      const { schema, key, value } = change;
      if (schema > this.#codec.schema)
        throw new NsmError(
          'conflict',
          `${this.path} was written by a later version (schema ${schema}; this one knows ${this.#codec.schema}): ` +
            'start that version, or choose another --state-dir',
        );
      try {
        const record = value && this.#codec.decode(value, schema);
        this.#place(key, record === undefined ? undefined : { record, offset, size });
      } catch {
        unreadable += size;
      }
    }
    return unreadable;
  }

  /** Never rejects. */
  async #commit(): Promise<void> {
    const works = this.#waiting;
    this.#waiting = [];
    this.#next = undefined;
    const most = Math.max(this.#renewFrom, bloated.times * this.#needed);
    if (this.#damaged || this.#file.end > most) await this.#renew();
    const ends = works.filter(({ endsOnly }) => endsOnly);
    const refusal = await this.#append(works);
    if (!refusal) {
      if (ends.length < works.length) this.#disk.took();
      return;
    }
    if (isDiskRefusal(refusal.cause)) this.#disk.refused(refusal);
    const endRefusal = ends.length < works.length ? await this.#append(ends) : refusal;
    for (const work of works) {
      const refused = work.endsOnly ? endRefusal : refusal;
      if (refused) work.refusal = refused;
    }
  }

  /** Returns why the disk did not take them; then it has taken none. */
  async #append(works: readonly Work<T>[]): Promise<NsmError | undefined> {
    const frames: Buffer[] = [];
    const placed = new Map<string, Placed<T> | undefined>();
    let [offset, ends] = [this.#file.end, this.#ends];
    for (const [key, record, frame] of works.flatMap(({ changes }) => changes)) {
      const there = placed.has(key) ? placed.get(key) : this.#placed.get(key);
      if (record === undefined && !there) continue;
      placed.set(key, record === undefined ? undefined : { record, offset, size: frame.length });
      frames.push(frame);
      offset += frame.length;
      if (record === undefined) ends -= endBytes(key);
      else if (!there) ends += endBytes(key);
    }
    if (frames.length === 0) return undefined;
    try {
      await this.#file.append(Buffer.concat(frames), ends);
    } catch (thrown) {
      const { kind, message } = NsmError.from(thrown);
      const told = `cannot write to ${this.path}: ${message}`;
      return isDiskRefusal(thrown)
        ? new NsmError('disk', `${told}; free space on the disk of --state-dir`, thrown)
        : new NsmError(kind, told, thrown);
    }
    for (const [key, value] of placed) this.#place(key, value);
    if (this.#outlivesMachine) this.#file.syncSoon(this.#notSynced);
    return undefined;
  }

  /** Leaves behind what is needed no more. Where there is no room for a second file, the first goes on. */
  async #renew(): Promise<void> {
    this.#damaged = false;
    const unfinished = `${this.path}.new`;
    let renewed: GrowingFile | undefined;
    try {
      await rm(unfinished, { recursive: true, force: true });
      renewed = new GrowingFile(openSync(unfinished, 'wx+', 0o600), 0, 0);
      const bytes = await this.#file.read();
      const kept = [...this.#placed.values()].map(({ offset, size }) =>
        bytes.subarray(offset, offset + size),
      );
      await renewed.append(Buffer.concat(kept), this.#ends);
      if (this.#outlivesMachine) await renewed.sync();
      await rename(unfinished, this.path);
    } catch {
      await renewed?.close();
      await rm(unfinished, { force: true }).catch(() => undefined);
      this.#renewFrom = 2 * this.#file.end;
      return;
    }
    await this.#file.close();
    this.#file = renewed;
    this.#renewFrom = bloated.bytes;
    let offset = 0;
    for (const [key, { record, size }] of this.#placed) {
      this.#place(key, { record, offset, size });
      offset += size;
    }
  }

  #place(key: string, placed: Placed<T> | undefined): void {
    const before = this.#placed.get(key);
    this.#needed += (placed?.size ?? 0) - (before?.size ?? 0);
    this.#ends += (placed ? endBytes(key) : 0) - (before ? endBytes(key) : 0);
    if (placed) this.#placed.set(key, placed);
    else this.#placed.delete(key);
  }

  readonly #notSynced = (error: unknown): void =>
    this.#logger?.error({ path: this.path, err: error }, 'the disk may not have what was written');
}
