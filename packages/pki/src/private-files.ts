// Files with secrets: in a folder that is closed to others, written as a whole or not at all.
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { NsmError, systemCodeOf } from '@nsm/api';

/**
 * Makes the folder with mode 0700; one that is there is taken if it is this user's or root's, and nobody else may write to it. Root may
 * work in that of a daemon's user: what it makes is that user's.
 */
export function makePrivateFolder(folder: string): void {
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined && isRoot) {
    const { uid, gid } = lstatSync(dirname(folder));
    chownSync(folder, uid, gid);
  }
  const { uid, mode } = lstatSync(folder);
  if (!isRoot && uid !== process.geteuid?.() && uid !== 0)
    throw new NsmError(
      'privilege',
      `${folder} belongs to user ${uid}: whoever owns it could give out certificates`,
    );
  if ((mode & 0o022) !== 0) throw new NsmError('privilege', `others may write to ${folder}: chmod 700 it`);
}

const isRoot = process.geteuid?.() === 0;

/** Replaces the file. Mode 0600. */
export function writePrivately(path: string, content: string): void {
  renameSync(writeBeside(path, content), path);
}

/** @returns false when there is such a file already, which stays as it is. */
export function createPrivately(path: string, content: string): boolean {
  const written = writeBeside(path, content);
  try {
    linkSync(written, path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(written);
  }
}

function writeBeside(path: string, content: string): string {
  const written = join(dirname(path), `.${randomBytes(8).toString('hex')}`);
  const file = openSync(written, 'wx', 0o600);
  try {
    if (isRoot) {
      const { uid, gid } = lstatSync(dirname(path));
      fchownSync(file, uid, gid);
    }
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return written;
}
