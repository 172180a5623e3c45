// Memory of another process that may take it away at any moment: mapped, and touched by the kernel alone.
import { fstatSync } from 'node:fs';
import * as libc from './libc.js';
import * as memory from './libc-memory.js';
import { check, NetlinkError } from './netlink-error.js';

const F_GET_SEALS = 1034;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
/** Huge pages that were never touched stay available to other processes. */
const MAP_NORESERVE = 0x4000;
const EINVAL = 22;

/**
 * A mapping of a file in memory, of any pages and sealed or not. There is no view of it: touching what has been taken away
 * would end this process. System calls that copy to or from its addresses answer EFAULT instead.
 */
export class ForeignMemory implements Disposable {
  /** Of the first byte, in this process. */
  readonly address: number;
  readonly size: number;
  #mapped = true;

  private constructor(address: number, size: number) {
    this.address = address;
    this.size = size;
  }

  /**
   * Maps the first `size` bytes of what a descriptor of another process stands for; the descriptor stays the caller's.
   * @throws NetlinkError EINVAL for anything but memory: a file system of the other process would let this one wait for ever.
   */
  static map(fd: number, size: number): ForeignMemory {
    const object = `${size} bytes`;
    const text = !isInMemory(fd)
      ? 'it is no file in memory'
      : fstatSync(fd).size < size
        ? 'it is smaller than announced'
        : '';
    if (text !== '') throw new NetlinkError(EINVAL, 'map memory of', object, { text });
    // Of huge pages only whole ones can be mapped.
    const page = fstatSync(fd).blksize;
    const mapped = Math.ceil(size / page) * page;
    const address = memory.mmap(null, mapped, PROT_READ_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return new ForeignMemory(check(address, 'map memory of', object), mapped);
  }

  close(): void {
    if (this.#mapped) memory.munmap(this.address, this.size);
    this.#mapped = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Whether a descriptor of another process is of a file in memory (tmpfs, hugetlbfs, memfd): such files alone have seals, whether they
 * may be sealed or not. To be asked before anything else: where the other process is the file system, all else may wait for ever.
 */
export function isInMemory(fd: number): boolean {
  return libc.fcntl(fd, F_GET_SEALS, 0) >= 0;
}
