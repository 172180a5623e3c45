// Where log lines go: nothing waits for them, and they are dropped rather than gathered without end.
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { printableLines } from '@nsm/output';

/** Bytes that may wait. */
const maxWaiting = 1 << 20;
/** Milliseconds for which lines wait for others where a thread writes them: each write wakes that thread, and then this one. */
const gatherMs = 20;
/** Milliseconds until a disk that takes nothing is tried again. */
const retryPauseMs = 1_000;
/** Milliseconds until a pipe that is full is tried again: doubles from first to last. */
const fullPauseMs = { first: 5, last: 100 };
/** Milliseconds that a write under way has when the process ends: what follows it must not overtake it. */
const lastPauseMs = 20;

/**
 * What is not written yet waits, up to 1 MiB; then lines are dropped, until all that waits is written and a line says how many
 * were. An error is no reason to stop trying, but for a reader that has gone.
 */
export class LogStream {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #fd: number;
  readonly #format: (line: string) => string;
  /** A write to it ends at once, and needs no thread to wait for it. */
  readonly #isPrompt: boolean;
  /** What is left of the lines that are being written. */
  #chunk: Buffer = Buffer.alloc(0);
  #lines: Buffer[] = [];
  /** Bytes of both. */
  #waiting = 0;
  #dropped = 0;
  #state: 'idle' | 'due' | 'writing' | 'ended' = 'idle';
  #fullPauseMs = fullPauseMs.first;

  /**
   * @param fields that each line has, also the line that tells of dropped lines.
   * @param format makes of a line of JSON what is written. Default: nothing else.
   */
  constructor(
    fd: number,
    fields: Readonly<Record<string, unknown>>,
    format: (line: string) => string = (line) => line,
  ) {
    this.#fields = fields;
    this.#format = format;
    const prompt = promptly(fd);
    this.#fd = prompt ?? fd;
    this.#isPrompt = prompt !== undefined;
    process.once('exit', () => this.#finish());
  }

  /** @param line of JSON, with its end. */
  write(line: string): void {
    // A log may be read on a terminal, and names in it are strangers'. What JSON says stays the same.
    const shown = printableLines(this.#format(line));
    const size = Buffer.byteLength(shown);
    if (this.#state === 'ended') return;
    if (this.#dropped > 0 || this.#waiting + size > maxWaiting) {
      this.#dropped++;
      return;
    }
    this.#lines.push(Buffer.from(shown));
    this.#waiting += size;
    if (this.#state !== 'idle') return;
    // Lines of the same moment share a write, and no answer waits for it.
    this.#state = 'due';
    if (this.#isPrompt) setImmediate(() => this.#next());
    else setTimeout(() => this.#next(), gatherMs).unref();
  }

  #next(): void {
    this.#state = 'idle';
    while (this.#state === 'idle' && this.#take()) {
      this.#state = 'writing';
      if (this.#isPrompt) this.#writeNow();
      else write(this.#fd, this.#chunk, (error, written) => this.#wrote(error, written));
    }
  }

  #writeNow(): void {
    try {
      this.#advance(writeSync(this.#fd, this.#chunk));
      this.#state = 'idle';
    } catch (error) {
      this.#failed(error as NodeJS.ErrnoException);
    }
  }

  #wrote(error: NodeJS.ErrnoException | null, written: number): void {
    if (error) this.#failed(error);
    else {
      this.#advance(written);
      this.#next();
    }
  }

  /** Returns false when nothing is left to be written. */
  #take(): boolean {
    if (this.#chunk.length > 0) return true;
    if (this.#lines.length === 0 && this.#dropped > 0) {
      const line = Buffer.from(this.#format(this.#lossLine()));
      this.#lines.push(line);
      this.#waiting += line.length;
      this.#dropped = 0;
    }
    this.#chunk = Buffer.concat(this.#lines);
    this.#lines = [];
    return this.#chunk.length > 0;
  }

  #advance(written: number): void {
    this.#chunk = this.#chunk.subarray(written);
    this.#waiting -= written;
    this.#fullPauseMs = fullPauseMs.first;
  }

  #failed({ code }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE') {
      this.#end();
      return;
    }
    const pause = code === 'EAGAIN' ? this.#fullPauseMs : retryPauseMs;
    this.#fullPauseMs = Math.min(2 * this.#fullPauseMs, fullPauseMs.last);
    this.#state = 'due';
    setTimeout(() => this.#next(), pause).unref();
  }

  #end(): void {
    this.#state = 'ended';
    this.#chunk = Buffer.alloc(0);
    this.#lines = [];
    if (this.#isPrompt) closeSync(this.#fd);
  }

  /** Of level `warn`, as pino writes it. */
  #lossLine(): string {
    const time = new Date().toISOString();
    const msg = 'log lines were lost: they came faster than they could be written';
    return `${JSON.stringify({ level: 40, time, ...this.#fields, dropped: this.#dropped, msg })}\n`;
  }

  /** The process ends: writes what can be written without waiting. */
  #finish(): void {
    if (this.#state === 'ended') return;
    if (this.#state === 'writing') {
      // Its thread is waited for after this; how far it comes is not known any more.
      this.#chunk = Buffer.alloc(0);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lastPauseMs);
    }
    try {
      while (this.#take()) this.#advance(writeSync(this.#fd, this.#chunk));
    } catch {
      // The reader takes no more.
    }
  }
}

/**
 * A pipe or a terminal once more, as a file description of its own that does not block: whoever shares the first keeps it as it
 * is. Undefined for everything else, and where it cannot be opened again.
 */
function promptly(fd: number): number | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFIFO() && !stat.isCharacterDevice()) return undefined;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined;
  }
}
