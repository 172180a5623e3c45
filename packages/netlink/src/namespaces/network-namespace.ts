// One network namespace held by a descriptor, and the only place where a thread moves between namespaces.
import { fstatSync } from 'node:fs';
import { EACCES, ENOENT, EPERM } from '../libc/errno.js';
import {
  abort,
  CLONE_NEWNET,
  close,
  errorText,
  ioctlNumber,
  O_CLOEXEC,
  O_NONBLOCK,
  open,
  setns,
} from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';
import { NamespaceError } from './namespace-error.js';

/** The calling thread's own namespace; `/proc/self` would be the main thread's. */
export const OWN_NAMESPACE_PATH = '/proc/thread-self/ns/net';
// _IO(0xb7, 3): the CLONE_ flag of the namespace behind a descriptor (linux/nsfs.h).
const NS_GET_NSTYPE = 0xb703;

/**
 * An open network namespace. As long as it is open the namespace lives, with all its devices, even when every process
 * has left it: close it as soon as you can.
 */
export class NetworkNamespace implements Disposable {
  /** −1 once closed. */
  get fd(): number {
    return this.#fd;
  }
  readonly inode: number;
  /** Where it was opened; it may mean another namespace by now. */
  readonly path: string;
  #fd: number;

  private constructor(fd: number, inode: number, path: string) {
    this.#fd = fd;
    this.inode = inode;
    this.path = path;
  }

  /** Opens a namespace file and makes sure that it is one. @throws NamespaceError all codes but `invalid` and `exists` */
  static openPath(path: string, reference: string = path): NetworkNamespace {
    // O_NONBLOCK: a FIFO in its place must not hang us.
    const fd = open(path, O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0) throw openError(-fd, path, reference);
    if (ioctlNumber(fd, NS_GET_NSTYPE, 0) !== CLONE_NEWNET) {
      close(fd);
      throw new NamespaceError('not-a-namespace', reference, `${path} is not a network namespace`);
    }
    return NetworkNamespace.fromDescriptor(fd, path);
  }

  /** Takes over a descriptor known to be of a network namespace. */
  static fromDescriptor(fd: number, path: string): NetworkNamespace {
    return new NetworkNamespace(fd, fstatSync(fd).ino, path);
  }

  /**
   * Runs `fn` with the calling thread in this namespace and returns to where it was, also when `fn` throws. `fn` must be
   * synchronous: what runs after an `await` would run outside. Only the thread moves: sockets that exist already stay
   * where they were opened. If the thread cannot return, the process is aborted: anything it did from then on would hit
   * the wrong namespace.
   * @throws NamespaceError `denied` without CAP_SYS_ADMIN over both namespaces, `not-found` when closed.
   */
  run<T>(fn: () => T): T {
    if (this.#fd < 0) throw new NamespaceError('not-found', this.path, 'it has been closed');
    return returning(this.path, () => {
      const entered = setns(this.#fd, CLONE_NEWNET);
      if (entered < 0) throw permissionError(-entered, this.path, 'cannot enter it');
      return fn();
    });
  }

  /** Lets go of the namespace. Harmless when repeated. */
  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const openError = (errno: number, path: string, reference: string): NamespaceError => {
  // ESRCH (3): the process ended between the lookup and the open.
  if (errno === ENOENT || errno === 3)
    return new NamespaceError('not-found', reference, `${path} does not exist`);
  return permissionError(errno, reference, `cannot open ${path}`);
};

/** A NamespaceError for a refused system call: `denied` for EPERM and EACCES, else `failed`. */
export const permissionError = (errno: number, reference: string, what: string): NamespaceError =>
  new NamespaceError(
    errno === EPERM || errno === EACCES ? 'denied' : 'failed',
    reference,
    `${what}: ${errorText(errno)}`,
    new NetlinkError(errno, what, reference),
  );

/** Runs `fn`, which may change the thread's namespace, and brings the thread back. */
export const returning = <T>(reference: string, fn: () => T): T => {
  const home = open(OWN_NAMESPACE_PATH, O_CLOEXEC, 0);
  if (home < 0) throw permissionError(-home, OWN_NAMESPACE_PATH, 'cannot open it');
  try {
    // Inside a user namespace the way back can be barred while the way out is open: try it before leaving.
    const rehearsal = setns(home, CLONE_NEWNET);
    if (rehearsal < 0) throw permissionError(-rehearsal, reference, 'cannot change network namespace');
    let result: T;
    try {
      result = fn();
    } finally {
      if (setns(home, CLONE_NEWNET) < 0) abort();
    }
    if (result instanceof Promise)
      throw new TypeError(
        'NetworkNamespace.run() takes a synchronous function: after an await it is back outside',
      );
    return result;
  } finally {
    close(home);
  }
};
