// One process at a time in a folder of durable state: LMDB would let several in, which then undo each other's work.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { NsmError } from '@nsm/api';
import { errnoName, libc } from '@nsm/netlink';
import { moveUnreadableAside } from './move-aside.js';
import type { RegistryLogger } from './registry.js';

/** An flock(2): the kernel lets go of it with the process, however that ends, so there is no stale lock. */
export class FolderLock implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes a folder, which must exist.
   * @param holder how others are told of this process, such as `manager node-a`.
   * @param logger hears when something else was in the place of its file. Default: nobody does.
   * @throws NsmError `conflict` while another process has it, `internal` when its file `lock` cannot be written.
   */
  static take(folder: string, holder: string, logger?: Pick<RegistryLogger, 'error'>): FolderLock {
    const path = join(folder, 'lock');
    moveUnreadableAside(path, logger);
    // Not emptied by opening it: it says who has it.
    const fd = openSync(path, 'a', 0o600);
    const result = libc.flock(fd, libc.LOCK_EX | libc.LOCK_NB);
    if (result < 0) {
      closeSync(fd);
      const code = errnoName(-result);
      if (code !== 'EAGAIN') throw new NsmError('internal', `cannot lock ${path}: ${code}`);
      const other = readFileSync(path, 'utf8').trim() || 'another process';
      throw new NsmError('conflict', `${folder} is in use by ${other}; give each its own --state-dir`);
    }
    ftruncateSync(fd);
    writeSync(fd, `${holder}, pid ${process.pid}\n`);
    return new FolderLock(fd);
  }

  /** Lets go of the folder. Harmless when repeated. */
  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
