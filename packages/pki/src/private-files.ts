// Files with secrets: in a folder that is closed to others, written as a whole or not at all.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
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
import { NsmError } from '@nsm/api';

/** Makes the folder with mode 0700; one that is there is taken if it is this user's, and nobody else may write to it. */
export function makePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.geteuid?.() && uid !== 0)
    throw new NsmError(
      'privilege',
      `${folder} belongs to user ${uid}: whoever owns it could give out certificates`,
    );
  if ((mode & 0o022) !== 0) throw new NsmError('privilege', `others may write to ${folder}: chmod 700 it`);
}

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
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(written);
  }
}

function writeBeside(path: string, content: string): string {
  const written = join(dirname(path), `.${randomBytes(8).toString('hex')}`);
  const file = openSync(written, 'wx', 0o600);
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return written;
}
