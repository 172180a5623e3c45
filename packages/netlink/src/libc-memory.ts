// The system calls that deal in addresses of this process: memory shared with others, and what is read into it.
import koffi from 'koffi';
import { type Call, define } from './libc.js';

/** memfd_create(2). */
export const memfdCreate: Call<[name: string, flags: number]> = define(
  'int memfd_create(const char *name, unsigned int flags)',
);
/** ftruncate(2). */
export const ftruncate: Call<[fd: number, size: number]> = define('int ftruncate(int fd, int64_t size)');
/** mmap(2): an address, which fits a number on every 64-bit architecture. */
export const mmap: Call<
  [address: null, size: number, protection: number, flags: number, fd: number, offset: number]
> = define('int64_t mmap(void *address, size_t size, int protection, int flags, int fd, int64_t offset)');
/** munmap(2). */
export const munmap: Call<[address: number, size: number]> = define(
  'int munmap(uintptr_t address, size_t size)',
);
/** read(2) to an address. */
export const readTo: Call<[fd: number, address: number, length: number]> = define(
  'int64_t read(int fd, uintptr_t address, size_t length)',
);
/** write(2) from an address. */
export const writeFrom: Call<[fd: number, address: number, length: number]> = define(
  'int64_t write(int fd, uintptr_t address, size_t length)',
);
/** readv(2); `vectors` are raw `struct iovec`. */
export const readVectors: Call<[fd: number, vectors: Uint8Array, count: number]> = define(
  'int64_t readv(int fd, const void *vectors, int count)',
);
/** writev(2). */
export const writeVectors: Call<[fd: number, vectors: Uint8Array, count: number]> = define(
  'int64_t writev(int fd, const void *vectors, int count)',
);

/** Memory of this process, not copied; it must stay mapped as long as anybody looks. */
export const viewOf = (address: number, size: number): ArrayBuffer => koffi.view(BigInt(address), size);
