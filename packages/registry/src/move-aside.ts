// Files of state that cannot be read: they are kept under another name, and leave theirs to a new one.
import { lstatSync, renameSync } from 'node:fs';
import type { RegistryLogger } from './registry.js';

/** Node.js reads no larger file at once, bytes. */
const maxBytes = 2 ** 31 - 1;

/** Renames what is at `path`. Returns its new path. */
export function moveAside(path: string): string {
  const aside = `${path}.damaged-${Date.now()}`;
  renameSync(path, aside);
  return aside;
}

/**
 * Moves aside what nobody could read, or only with harm: opening a FIFO waits for ever, a folder ends LMDB's process.
 * @returns true when it did: the file is lost.
 */
export function moveUnreadableAside(path: string, logger?: Pick<RegistryLogger, 'error'>): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  const tooLarge = stat.size > maxBytes && `it is too large: ${stat.size} bytes`;
  const reason = stat.isFile() ? tooLarge : 'it is no regular file';
  if (!reason) return false;
  const aside = moveAside(path);
  logger?.error(
    { path, aside, reason },
    'what is in the place of a file cannot be read: moved aside, going on without it',
  );
  return true;
}
