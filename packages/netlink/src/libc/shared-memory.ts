// Memory shared with other processes through a descriptor: memfd_create(2), its seals, and mmap(2).
import { fstatSync, statfsSync } from 'node:fs';
import * as libc from './libc.js';
import * as memory from './libc-memory.js';
import { check, NetlinkError } from './netlink-error.js';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const F_SEAL_SHRINK = 2;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const EINVAL = 22;
/** linux/magic.h */
const HUGETLBFS_MAGIC = 0x958458f6;

/**
 * A mapping of a whole descriptor. Touching {@link bytes} after {@link close}, or beyond the end of a file that another
 * process has cut short, ends this process: no views of the memory may be kept, and files of others must be sealed.
 */
export class SharedMemory implements Disposable {
  /** Of the first byte, in this process. */
  readonly address: number;
  readonly bytes: ArrayBuffer;
  /** To be passed to another process. */
  readonly fd: number;
  readonly #isOwn: boolean;
  #mapped = true;

  private constructor(fd: number, size: number, isOwn: boolean) {
    this.fd = fd;
    this.#isOwn = isOwn;
    const address = memory.mmap(null, size, PROT_READ_WRITE, MAP_SHARED, fd, 0);
    this.address = check(address, 'map shared memory of', `${size} bytes`);
    this.bytes = memory.viewOf(address, size);
  }

  /** Makes memory whose size no process can reduce. @throws NetlinkError */
  static create(name: string, size: number): SharedMemory {
    const fd = check(memory.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), 'make shared memory', name);
    try {
      check(memory.ftruncate(fd, size), 'size shared memory', `${name} to ${size} bytes`);
      check(libc.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 'seal shared memory', name);
      return new SharedMemory(fd, size, true);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /**
   * Maps memory of another process; the descriptor stays the caller's.
   * @throws NetlinkError EINVAL when it is smaller than said, or its owner could take some of it away: then it is not
   * sealed against shrinking, or of huge pages, of which a hole may be impossible to fill again.
   */
  static map(fd: number, size: number): SharedMemory {
    const text = unsafe(fd, size);
    if (text === '') return new SharedMemory(fd, size, false);
    throw new NetlinkError(EINVAL, 'map shared memory of', `${size} bytes`, { text });
  }

  close(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    memory.munmap(this.address, this.bytes.byteLength);
    if (this.#isOwn) libc.close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function unsafe(fd: number, size: number): string {
  const seals = libc.fcntl(fd, F_GET_SEALS, 0);
  if (seals < 0 || (seals & F_SEAL_SHRINK) === 0) return 'it is not sealed against shrinking';
  if (statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC) return 'it is of huge pages';
  return size > 0 && fstatSync(fd).size >= size ? '' : 'it is smaller than announced';
}
