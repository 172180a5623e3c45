// What LMDB does not survive by itself, and takes the process with it: a damaged file, a full disk.
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Space on the disk below which nothing is written, bytes: room for the tree and for others who write. */
const minSpaceBytes = 4 << 20;

/**
 * lmdb 3.5 corrupts its heap when the disk is full, and ends the process: it must not come to that.
 * @param free bytes that are left on the disk.
 * @param size bytes to be written.
 * @throws Error when they may not fit.
 */
export function requireSpace(free: number, size: number): void {
  const needed = minSpaceBytes + 4 * size;
  if (free < needed)
    throw new Error(`the disk is full: ${free} bytes are left, ${needed} are needed; free some space`);
}

/**
 * Opens an LMDB file. One that cannot be read is moved aside, and a new one begun.
 * @param read opens the file and reads everything in it; called again after a file was moved aside.
 * @param moved told where the damaged file is now, and what was wrong with it.
 * @throws whatever is not the file's fault: its folder cannot be written.
 */
export function openGuarded<T>(
  path: string,
  read: () => T,
  moved: (aside: string, reason: string) => void,
): T {
  // Present only while the file is being read: a damaged one can crash the process, but it does so only once.
  const marker = `${path}.opening`;
  const moveAside = (reason: string): void => {
    if (!existsSync(path)) return;
    const aside = `${path}.damaged-${Date.now()}`;
    renameSync(path, aside);
    rmSync(`${path}-lock`, { force: true });
    moved(aside, reason);
  };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(marker)) moveAside('reading it ended the process');
  closeSync(openSync(marker, 'w'));
  try {
    const damage = damageOf(path);
    if (damage !== undefined) moveAside(damage);
    try {
      return read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      moveAside(error.message);
      return read();
    }
  } finally {
    rmSync(marker);
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
