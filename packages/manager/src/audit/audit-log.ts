// Where audit lines are written: a file that is bounded by rotation, a pipe, or stderr. Nothing waits for it, and what cannot be
// written is counted and told.
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { NsmError, systemCodeOf, within } from '@nsm/api';
import type { Logger } from 'pino';

/** Bytes of lines that may wait. */
const maxWaiting = 4 << 20;
/** Bytes of a file before the next one is begun, and how many former ones are kept, as FILE.1 (the latest) to FILE.4. */
const defaultMaxBytes = 64 << 20;
const formerFiles = 4;
/** Characters of a line: what strangers say may be long. */
const maxLine = 16_384;
/** Milliseconds until a disk that takes nothing, or a pipe without a reader, is tried again; and a pipe that is full. */
const retryMs = 1000;
const fullMs = 20;

export interface AuditLogOptions {
  readonly logger: Pick<Logger, 'warn' | 'info'>;
  /** Bytes of one file. Default: 64 MiB. */
  readonly maxBytes?: number;
}

export class AuditLog {
  readonly path: string;
  readonly #logger: AuditLogOptions['logger'];
  readonly #maxBytes: number;
  #lines: Buffer[] = [];
  #waiting = 0;
  #lost = 0;
  /** Lost lines that no line of the log has told of yet. */
  #untold = 0;
  #file: FileHandle | undefined;
  #size = 0;
  #rotates = false;
  #writing: Promise<void> | undefined;
  #pause: NodeJS.Timeout | undefined;
  #failed = false;

  /** @param path of a file or named pipe; `-` for stderr. */
  constructor(path: string, { logger, maxBytes = defaultMaxBytes }: AuditLogOptions) {
    this.path = path;
    this.#logger = logger;
    this.#maxBytes = maxBytes;
  }

  get lost(): number {
    return this.#lost;
  }

  /** @throws NsmError `invalid` when the file cannot be opened: a start without its audit log is none. */
  async start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      // Of a pipe nobody reads yet.
      if (systemCodeOf(error) === 'ENXIO') return;
      throw new NsmError(
        'invalid',
        `--audit-log ${this.path} cannot be opened: ${(error as Error).message}`,
        error,
      );
    }
  }

  /** Writes what waits, within a second. */
  async stop(): Promise<void> {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#next();
    await within(retryMs, this.#writing, () => undefined);
    clearTimeout(this.#pause);
    await this.#file?.close().catch(() => undefined);
    this.#file = undefined;
  }

  write(record: object): void {
    const text = JSON.stringify(record);
    const line = Buffer.from(`${text.length > maxLine ? JSON.stringify(shortened(record, text)) : text}\n`);
    if (this.#waiting + line.length > maxWaiting) {
      this.#lost++;
      this.#untold++;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    if (!this.#pause) this.#next();
  }

  #next(): void {
    if (this.#writing || this.#lines.length === 0) return;
    this.#writing = this.#drain().finally(() => {
      this.#writing = undefined;
      if (!this.#pause) this.#next();
    });
  }

  async #drain(): Promise<void> {
    // Lines of the same moment share a write.
    await new Promise((resolve) => setImmediate(resolve));
    const bytes = Buffer.concat(this.#lines);
    this.#lines = [];
    let written = 0;
    try {
      if (this.#rotates && this.#size > 0 && this.#size + bytes.length > this.#maxBytes) await this.#rotate();
      const file = this.#file ?? (await this.#open());
      while (written < bytes.length) {
        const done = await file.write(bytes, written);
        written += done.bytesWritten;
        this.#size += done.bytesWritten;
      }
      this.#waiting -= bytes.length;
      this.#recovered();
    } catch (error) {
      this.#waiting -= written;
      this.#lines.unshift(bytes.subarray(written));
      await this.#broken(error);
    }
  }

  #recovered(): void {
    if (this.#failed) this.#logger.info({ auditLog: this.path }, 'the audit log is written again');
    this.#failed = false;
    if (this.#untold === 0) return;
    const lost = this.#untold;
    this.#untold = 0;
    this.write({ time: new Date().toISOString(), event: 'audit', outcome: 'lost', what: { lines: lost } });
  }

  async #broken(error: unknown): Promise<void> {
    const full = systemCodeOf(error) === 'EAGAIN';
    if (!full) {
      if (!this.#failed)
        this.#logger.warn({ auditLog: this.path, err: error }, 'the audit log cannot be written');
      this.#failed = true;
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
    }
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#next();
      },
      full ? fullMs : retryMs,
    ).unref();
  }

  async #open(): Promise<FileHandle> {
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
    const file =
      this.path === '-'
        ? await open('/dev/stderr', O_WRONLY | O_APPEND | O_NOCTTY)
        : await open(this.path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0o600);
    try {
      const stat = await file.stat();
      this.#rotates = stat.isFile() && this.path !== '-';
      this.#size = this.#rotates ? stat.size : 0;
      // A file that was there already, or whose mode the umask made.
      if (this.#rotates) await file.chmod(0o600);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
    return file;
  }

  async #rotate(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    for (let number = formerFiles; number > 0; number--) {
      const from = number === 1 ? this.path : `${this.path}.${number - 1}`;
      await rename(from, `${this.path}.${number}`).catch((error: unknown) => {
        if (systemCodeOf(error) !== 'ENOENT') throw error;
      });
    }
  }
}

function shortened(record: object, text: string): object {
  const { time, manager, event, outcome } = record as Record<string, unknown>;
  return { time, manager, event, outcome, shortened: text.slice(0, maxLine / 2) };
}
