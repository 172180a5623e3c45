// What is in the place of a file of state and cannot be read: it is kept under another name, and leaves its own to a new file.
import { lstatSync, renameSync } from 'node:fs';
import type { StateLogger } from './state-logger.js';

/** Node.js reads no larger file at once, bytes. */
const maxBytes = 2 ** 31 - 1;

/**
 * Moves aside a file that could not be read, or only with harm: opening a FIFO waits for ever.
 * @returns true when it did: the file is lost.
 */
export function moveUnreadableAside(path: string, logger: StateLogger | undefined): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  const tooLarge = stat.size > maxBytes && `it is too large: ${stat.size} bytes`;
  const reason = stat.isFile() ? tooLarge : 'it is no regular file';
  if (!reason) return false;
  const aside = `${path}.damaged-${Date.now()}`;
  renameSync(path, aside);
  logger?.error(
    { path, aside, reason },
    'what is in the place of a file cannot be read: moved aside, going on without it',
  );
  return true;
}
