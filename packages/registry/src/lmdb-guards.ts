// What LMDB does not survive by itself, and takes the process with it: a damaged file, a full disk.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NsmError } from '@nsm/api';
import { begun } from './lmdb-check-begun.js';
import { moveAside } from './move-aside.js';

/** Space on the disk below which nothing is written, bytes: room for the tree and for others who write. */
const minSpaceBytes = 4 << 20;
/** Milliseconds that reading a file may take; a page that leads back to itself is read for ever. */
const checkTimeout = 10_000;
/** Ends it then: no signal that others send. */
const tooLong = 'SIGALRM';

/**
 * lmdb 3.5 corrupts its heap when the disk is full, and ends the process: it must not come to that.
 * @param free bytes that are left on the disk.
 * @param size bytes to be written.
 * @throws NsmError `disk` when they may not fit.
 */
export function requireSpace(free: number, size: number): void {
  const needed = minSpaceBytes + 4 * size;
  if (free < needed)
    throw new NsmError(
      'disk',
      `the disk is full: ${free} bytes are left, ${needed} are needed; free some space`,
    );
}

/**
 * Opens an LMDB file. One that cannot be read is moved aside, and a new one begun. One that is not as it was when it was last
 * closed is read by another process first, which may die of it.
 * @param read opens the file and reads everything in it; called again after a file was moved aside.
 * @param moved told where the damaged file is now, and what was wrong with it.
 * @throws whatever is not the file's fault: its folder cannot be written.
 */
export function openGuarded<T>(
  path: string,
  read: () => T,
  moved: (aside: string, reason: string) => void,
): T {
  const anew = (reason: string): void => {
    if (!existsSync(path)) return;
    const aside = moveAside(path);
    rmSync(`${path}-lock`, { force: true });
    moved(aside, reason);
  };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const damage = damageOf(path) ?? (isAsClosed(path) ? undefined : readingEnds(path));
  // Should it end this process all the same, the next one does not trust it.
  rmSync(`${path}.closed`, { force: true });
  if (damage !== undefined) anew(damage);
  try {
    return read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    anew(error.message);
    return read();
  }
}

/** Notes how a file is that was closed just now: as long as it is so, it can be opened again without being checked. */
export function noteClosed(path: string): void {
  writeFileSync(`${path}.closed`, identityOf(path));
}

function isAsClosed(path: string): boolean {
  if (!existsSync(path)) return true;
  try {
    return readFileSync(`${path}.closed`, 'utf8') === identityOf(path);
  } catch {
    return false;
  }
}

function identityOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  return `${ino} ${size} ${mtimeNs}`;
}

/** How the process ends that reads all of a file; undefined when it ends well, or cannot be started. */
function readingEnds(path: string): string | undefined {
  const checker = fileURLToPath(new URL('./lmdb-check.js', import.meta.url));
  const copy = `${path}.checked`;
  const removeCopy = (): void => {
    for (const file of [copy, `${copy}-lock`]) rmSync(file, { force: true, recursive: true });
  };
  removeCopy();
  try {
    copyFileSync(path, copy);
    const { status, signal, error, stdout } = spawnSync(process.execPath, [checker, copy], {
      timeout: checkTimeout,
      killSignal: tooLong,
      encoding: 'utf8',
    });
    if ((error && signal === null) || !stdout.startsWith(begun)) return undefined;
    // Whoever stops this process may stop the other with it, as systemd does.
    if (signal === 'SIGTERM' || signal === 'SIGINT' || signal === 'SIGHUP') return undefined;
    return status === 0 ? undefined : `reading it ends with ${signal ?? `status ${status}`}`;
  } catch {
    // There is no room for a copy.
    return undefined;
  } finally {
    removeCopy();
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

/** The operating system's errors are strings from Node.js and positive numbers from LMDB; the rest is the file's. */
function isDamage(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return !('code' in error) || (typeof error.code === 'number' && error.code < 0);
}
