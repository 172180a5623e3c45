// One process at a time in a folder of state: a second one would undo what the first writes.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { NsmError } from '@nsm/api';
import { errnoName, libc } from '@nsm/netlink';
import { isDiskRefusal } from './disk-state.js';
import { moveUnreadableAside } from './move-aside.js';
import type { StateLogger } from './state-logger.js';

/** Its file in a folder. */
export const lockName = 'lock';

/** An flock(2): the kernel lets go of it with the process, however that ends, so there is no stale lock. */
export class FolderLock implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes a folder, which must exist. Where its disk takes nothing and no process ever locked it, there is nothing to lock.
   * @param holder how others are told of this process, such as `manager node-a`.
   * @param logger hears when something else was in the place of its file. Default: nobody does.
   * @throws NsmError `conflict` while another process has it, `internal` when its file `lock` cannot be opened.
   */
  static take(folder: string, holder: string, logger?: StateLogger): FolderLock {
    const path = join(folder, lockName);
    const fd = openLock(path, logger);
    if (fd < 0) return new FolderLock(fd);
    const result = libc.flock(fd, libc.LOCK_EX | libc.LOCK_NB);
    if (result < 0) {
      closeSync(fd);
      const code = errnoName(-result);
      if (code !== 'EAGAIN') throw new NsmError('internal', `cannot lock ${path}: ${code}`);
      const other = readFileSync(path, 'utf8').trim() || 'another process';
      throw new NsmError('conflict', `${folder} is in use by ${other}; give each its own --state-dir`);
    }
    try {
      ftruncateSync(fd);
      writeSync(fd, `${holder}, pid ${process.pid}\n`);
    } catch {
      // The disk takes nothing: others are refused all the same, and not told by whom.
    }
    return new FolderLock(fd);
  }

  /** Lets go of the folder. Harmless when repeated. */
  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** Not emptied by opening it: it says who has it. Returns -1 where there is none and none can be made. */
function openLock(path: string, logger: StateLogger | undefined): number {
  try {
    moveUnreadableAside(path, logger);
    return openSync(path, 'a', 0o600);
  } catch (thrown) {
    if (!isDiskRefusal(thrown)) throw NsmError.from(thrown);
  }
  try {
    return openSync(path, 'r');
  } catch {
    return -1;
  }
}
