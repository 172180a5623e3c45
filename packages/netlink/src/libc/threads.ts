// Threads of the kernel's that run close(2) and nothing else: no JavaScript, and none of the threads that Node.js shares (libuv's pool).
import * as libc from './libc.js';

const address: libc.Call<[library: number, name: string]> = libc.define(
  'uintptr_t dlsym(uintptr_t library, const char *name)',
);
const create: libc.Call<[thread: Uint8Array, attributes: null, begin: number, argument: number]> =
  libc.define('int pthread_create(void *thread, void *attributes, uintptr_t begin, uintptr_t argument)');
const tryJoin: libc.Call<[thread: number, result: null]> = libc.define(
  'int pthread_tryjoin_np(uintptr_t thread, void *result)',
);
/** dlfcn.h: of all that is loaded. */
const RTLD_DEFAULT = 0;

/** A thread that closes a descriptor. */
export interface Thread {
  /** To be asked until it is true. */
  hasEnded(): boolean;
}

/**
 * Closes a descriptor, however long that takes; a thread that is never done ends with the process.
 * @returns undefined when there are as many threads as there may be: the descriptor is as it was.
 * @throws Error EBADF, as `libc.close`
 */
export function closeInThread(fd: number): Thread | undefined {
  libc.requireOpen(fd);
  const thread = Buffer.alloc(8);
  // A function of one number, as pthread_create(3) wants one of one pointer.
  if (create(thread, null, address(RTLD_DEFAULT, 'close'), fd) !== 0) return undefined;
  const id = Number(thread.readBigUInt64LE());
  return { hasEnded: () => tryJoin(id, null) === 0 };
}
