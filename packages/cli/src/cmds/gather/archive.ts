// Writes a .tar.gz file by file, so that only one file at a time is in memory: the format of POSIX.1-2001, ustar.
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, type Gzip } from 'node:zlib';

const blockBytes = 512;
/** Bytes of a name, and of the folder before it. */
const [maxName, maxPrefix] = [100, 155];

export class Archive {
  /** What is added is lost: the disk is full, or the reader of a pipe has gone. */
  isBroken = false;
  readonly #folder: string;
  readonly #time: Date;
  readonly #gzip: Gzip;
  readonly #written: Promise<void>;

  /** @param folder in which all files are, so that unpacking makes one folder. */
  constructor(out: Writable, folder: string, time: Date) {
    this.#folder = folder;
    this.#time = time;
    this.#gzip = createGzip();
    // Standard output is not this program's alone to end.
    this.#written = pipeline(this.#gzip, out, { end: out !== process.stdout });
    // Told by the next call. What a stream says after its pipeline has ended, nobody else would hear, and the process would end.
    this.#written.catch(() => {
      this.isBroken = true;
    });
    for (const stream of [this.#gzip, out]) stream.on('error', () => undefined);
  }

  /** @param name with folders, of ASCII. @throws Error of the file system */
  async add(name: string, text: string): Promise<void> {
    const content = Buffer.from(text);
    await this.#write(header(`${this.#folder}/${name}`, content.length, this.#time));
    await this.#write(content);
    await this.#write(Buffer.alloc(-content.length & (blockBytes - 1)));
  }

  /** Two empty blocks are the end. @throws Error of the file system */
  async end(): Promise<void> {
    await this.#write(Buffer.alloc(2 * blockBytes));
    this.#gzip.end();
    await this.#written;
  }

  async #write(bytes: Buffer): Promise<void> {
    if (!this.#gzip.write(bytes)) await Promise.race([once(this.#gzip, 'drain'), this.#written]);
  }
}

function header(path: string, size: number, time: Date): Buffer {
  const at = path.length <= maxName ? -1 : path.indexOf('/', path.length - maxName - 1);
  if (path.length > maxName && (at < 0 || at > maxPrefix))
    throw new RangeError(`no room in an archive for the name ${path}`);
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
  };
  block.write(path.slice(at + 1), 0, 'latin1');
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(time.getTime() / 1000), 136, 12);
  block.write('        0', 148, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  block.write(at < 0 ? '' : path.slice(0, at), 345, 'latin1');
  // The sum of all bytes, with spaces in the place of the sum itself.
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}
