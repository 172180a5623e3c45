// The system calls that deal in addresses of this process: memory shared with others, and what is read into it.
import koffi from 'koffi';
import { type Call, define } from './libc.js';

export const memfdCreate: Call<[name: string, flags: number]> = define(
  'int memfd_create(const char *name, unsigned int flags)',
);
export const ftruncate: Call<[fd: number, size: number]> = define('int ftruncate(int fd, int64_t size)');
/** mmap(2): an address, which fits a number on every 64-bit architecture. */
export const mmap: Call<
  [address: null, size: number, protection: number, flags: number, fd: number, offset: number]
> = define('int64_t mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset)');
export const munmap: Call<[address: number, size: number]> = define(
  'int munmap(uintptr_t address, size_t size)',
);
/** write(2) from an address. */
export const writeFrom: Call<[fd: number, address: number, length: number]> = define(
  'int64_t write(int fd, uintptr_t address, size_t length)',
);
/** readv(2); `vectors` are raw `struct iovec`. */
export const readVectors: Call<[fd: number, vectors: Uint8Array, count: number]> = define(
  'int64_t readv(int fd, const void *vectors, int count)',
);
export const writeVectors: Call<[fd: number, vectors: Uint8Array, count: number]> = define(
  'int64_t writev(int fd, const void *vectors, int count)',
);
/** pread(2) to an address. */
export const readToAt: Call<[fd: number, address: number, length: number, offset: number]> = define(
  'int64_t pread(int fd, uintptr_t address, size_t length, int64_t offset)',
);
/** pwrite(2) from an address. */
export const writeFromAt: Call<[fd: number, address: number, length: number, offset: number]> = define(
  'int64_t pwrite(int fd, uintptr_t address, size_t length, int64_t offset)',
);
/** preadv(2); `vectors` are raw `struct iovec`. */
export const readVectorsAt: Call<[fd: number, vectors: Uint8Array, count: number, offset: number]> = define(
  'int64_t preadv(int fd, const void *vectors, int count, int64_t offset)',
);
export const writeVectorsAt: Call<[fd: number, vectors: Uint8Array, count: number, offset: number]> = define(
  'int64_t pwritev(int fd, const void *vectors, int count, int64_t offset)',
);

/** struct iovec. */
export const vectorSize = 16;
export const putVector = (vectors: Buffer, index: number, address: number, length: number): void => {
  const at = index * vectorSize;
  vectors.writeUInt32LE(address >>> 0, at);
  vectors.writeUInt32LE(Math.floor(address / 2 ** 32), at + 4);
  vectors.writeUInt32LE(length, at + 8);
  vectors.writeUInt32LE(0, at + 12);
};

const syscallFutex: Call<[number, Uint8Array, number, number, number, number, number]> = define(
  'long syscall(long number, const void *word, long operation, long wake, long wakeOther, uintptr_t other, long change)',
);
const SYS_FUTEX: Readonly<Record<string, number>> = { x64: 202, arm64: 98, riscv64: 98 };
const FUTEX_WAKE_OP_PRIVATE = 5 | 128;
const changes = { add: 1, set: 2, clear: 3 } as const;
/** The operand is the number of a bit. */
const OPARG_SHIFT = 8;
const unused = Buffer.allocUnsafeSlow(4);

/**
 * Adds a power of two to a word of 32 bits at an address, or sets or clears that bit, atomically and in order with all that
 * was written before. The kernel writes, on behalf of futex(2), which wakes no thread here: memory that is not there any
 * more is an EFAULT, and no signal.
 * @param address a multiple of 4.
 */
export const changeWord = (address: number, change: keyof typeof changes, bit: number): number =>
  syscallFutex(
    ...([SYS_FUTEX[process.arch] ?? -1, unused, FUTEX_WAKE_OP_PRIVATE, 0, 0, address] as const),
    ((changes[change] | OPARG_SHIFT) << 28) | (bit << 12),
  );

/** Memory of this process, not copied; it must stay mapped as long as anybody looks. */
export const viewOf = (address: number, size: number): ArrayBuffer => koffi.view(BigInt(address), size);
