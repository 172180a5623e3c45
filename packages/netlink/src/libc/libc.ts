// The system calls of this package, through koffi; libc-memory.ts has those that deal in addresses, libbpf.ts its own.
import koffi from 'koffi';
import { EBADF } from './errno.js';

// The process's own libc, glibc or musl: no library name to guess.
const libc = koffi.load(null);

/**
 * A result in the kernel's own convention: ≥ 0 on success, −errno on failure. Nothing here throws, so the caller
 * can say in its error what it was doing to which object.
 */
export type SystemResult = number;

/** A function of libc. */
export type Call<A extends unknown[]> = (...args: A) => number;
/** Declares one, by its prototype in C. */
export const define = <A extends unknown[]>(prototype: string): Call<A> => {
  const call = libc.func(prototype) as Call<A>;
  return (...args: A): number => {
    const result = call(...args);
    return result === -1 ? -koffi.errno() : result;
  };
};

const strerror = libc.func('const char *strerror(int errnum)') as (errno: number) => string;
/** libc's text for an error number, such as `File exists` for 17. */
export const errorText = (errno: number): string => strerror(errno);

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC: number = 0o2000000;
export const SOCK_NONBLOCK: number = 0o4000;
export const SOL_SOCKET = 1;
export const SOL_NETLINK = 270;
export const SO_RCVBUF = 8;
export const SO_PEERCRED = 17;
export const SO_RCVBUFFORCE = 33;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_CREAT: number = 0o100;
export const O_EXCL: number = 0o200;
export const O_NONBLOCK: number = 0o4000;
export const O_NOFOLLOW: number = 0o400000;
export const O_PATH: number = 0o10000000;
export const O_DIRECTORY: number = 0o200000;
export const O_CLOEXEC: number = 0o2000000;
export const CLONE_NEWNET = 0x40000000;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_SHARED: number = 1 << 20;
export const MNT_DETACH = 2;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const EPOLLIN = 0x001;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLONESHOT: number = 1 << 30;
export const EFD_CLOEXEC: number = 0o2000000;
export const EFD_NONBLOCK: number = 0o4000;

export const socket: Call<[domain: number, type: number, protocol: number]> = define(
  'int socket(int domain, int type, int protocol)',
);
/** bind(2); `address` is a raw sockaddr. */
export const bind: Call<[fd: number, address: Uint8Array, length: number]> = define(
  'int bind(int fd, const void *address, uint32_t length)',
);
export const send: Call<[fd: number, bytes: Uint8Array, length: number, flags: number]> = define(
  'int64_t send(int fd, const void *bytes, size_t length, int flags)',
);
/** recv(2). With `MSG_TRUNC` the result may exceed `length`: the true size of a datagram that did not fit. */
export const recv: Call<[fd: number, bytes: Uint8Array, length: number, flags: number]> = define(
  'int64_t recv(int fd, void *bytes, size_t length, int flags)',
);
export const read: Call<[fd: number, bytes: Uint8Array, length: number]> = define(
  'int64_t read(int fd, void *bytes, size_t length)',
);
export const write: Call<[fd: number, bytes: Uint8Array, length: number]> = define(
  'int64_t write(int fd, const void *bytes, size_t length)',
);
export const open: Call<[path: string, flags: number, mode: number]> = define(
  'int open(const char *path, int flags, uint32_t mode)',
);
const rawClose: Call<[fd: number]> = define('int close(int fd)');
/**
 * close(2). Whatever else it answers, the descriptor is closed (Linux, close(2)), and there is nothing to be done about it.
 * @throws Error EBADF: what has this number no more was closed twice, and whoever opens a descriptor in between loses it.
 */
export const close = (fd: number): void => {
  if (rawClose(fd) === -EBADF) throw notOpen(fd);
};
const F_GETFD = 1;
/** @throws Error as `close`, for one that closes by another way. */
export const requireOpen = (fd: number): void => {
  if (fcntl(fd, F_GETFD, 0) === -EBADF) throw notOpen(fd);
};
const notOpen = (fd: number): Error =>
  new Error(`close descriptor ${fd}: ${errorText(EBADF)}: it was closed before`);
/** ioctl(2); `argument` is a buffer the kernel reads or writes, or a plain number. */
export const ioctl: Call<[fd: number, request: number, argument: Uint8Array | null]> = define(
  'int ioctl(int fd, unsigned long request, void *argument)',
);
/** ioctl(2) whose argument is a number, not a pointer. */
export const ioctlNumber: Call<[fd: number, request: number, argument: number]> = define(
  'int ioctl(int fd, unsigned long request, long argument)',
);
export const flock: Call<[fd: number, operation: number]> = define('int flock(int fd, int operation)');
/** setns(2): moves the calling thread only. */
export const setns: Call<[fd: number, type: number]> = define('int setns(int fd, int type)');
/** unshare(2): moves the calling thread only. */
export const unshare: Call<[flags: number]> = define('int unshare(int flags)');
export const mount: Call<
  [source: string | null, target: string, type: string | null, flags: number, data: string | null]
> = define(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
export const umount: Call<[target: string, flags: number]> = define(
  'int umount2(const char *target, int flags)',
);
const rawLinkat: Call<[number, string, number, string, number]> = define(
  'int linkat(int oldFolder, const char *oldPath, int newFolder, const char *newPath, int flags)',
);
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
/** linkat(2) that follows a symbolic link at `path`: Node.js links the symbolic link itself. */
export const linkFollowing = (path: string, newPath: string): SystemResult =>
  rawLinkat(AT_FDCWD, path, AT_FDCWD, newPath, AT_SYMLINK_FOLLOW);
export const listen: Call<[fd: number, backlog: number]> = define('int listen(int fd, int backlog)');
export const SHUT_RDWR = 2;
export const shutdown: Call<[fd: number, how: number]> = define('int shutdown(int fd, int how)');
export const accept: Call<[fd: number, address: null, length: null, flags: number]> = define(
  'int accept4(int fd, void *address, void *length, int flags)',
);
/** connect(2); `address` is a raw sockaddr. */
export const connect: Call<[fd: number, address: Uint8Array, length: number]> = define(
  'int connect(int fd, const void *address, uint32_t length)',
);
/** fcntl(2) whose argument is a number. */
export const fcntl: Call<[fd: number, command: number, argument: number]> = define(
  'int fcntl(int fd, int command, long argument)',
);
export const eventfd: Call<[initial: number, flags: number]> = define(
  'int eventfd(unsigned int initial, int flags)',
);
export const epollCreate: Call<[flags: number]> = define('int epoll_create1(int flags)');
export const epollWait: Call<[epoll: number, events: Uint8Array, maximum: number, timeoutMs: number]> =
  define('int epoll_wait(int epoll, void *events, int maximum, int timeout)');
/** epoll_ctl(2) with a raw `struct epoll_event`; see {@link EPOLL_EVENT_SIZE}. */
export const epollControl: Call<[epoll: number, operation: number, fd: number, event: Uint8Array | null]> =
  define('int epoll_ctl(int epoll, int operation, int fd, void *event)');
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
// struct epoll_event is packed on x86-64 and x86 only (include/uapi/linux/eventpoll.h).
const packedEpoll = process.arch === 'x64' || process.arch === 'ia32';
export const EPOLL_EVENT_SIZE: number = packedEpoll ? 12 : 16;
/** Where `data` stands within a `struct epoll_event`. */
export const EPOLL_DATA_OFFSET: number = packedEpoll ? 4 : 8;

const rawSetsockopt: Call<[number, number, number, Uint8Array, number]> = define(
  'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
);
const rawGetsockopt: Call<[number, number, number, Uint8Array, Uint8Array]> = define(
  'int getsockopt(int fd, int level, int option, void *value, void *length)',
);
const optionValue = Buffer.allocUnsafeSlow(4);
const optionLength = Buffer.allocUnsafeSlow(4);

/** setsockopt(2) of an `int` option. */
export const setSocketOption = (fd: number, level: number, option: number, value: number): SystemResult => {
  optionValue.writeInt32LE(value);
  return rawSetsockopt(fd, level, option, optionValue, 4);
};

/** setsockopt(2) of any other option. */
export const setSocketOptionBytes = (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
): SystemResult => rawSetsockopt(fd, level, option, value, value.length);

/** getsockopt(2) into `value`; the result is the number of bytes written. */
export const getSocketOption = (
  fd: number,
  level: number,
  option: number,
  value: Uint8Array,
): SystemResult => {
  optionLength.writeUInt32LE(value.length);
  const result = rawGetsockopt(fd, level, option, value, optionLength);
  return result < 0 ? result : optionLength.readUInt32LE();
};

const rawGetsockname: Call<[number, Uint8Array, Uint8Array]> = define(
  'int getsockname(int fd, void *address, void *length)',
);
/** getsockname(2) into `address`, a raw sockaddr. */
export const socketName = (fd: number, address: Uint8Array): SystemResult => {
  optionLength.writeUInt32LE(address.length);
  return rawGetsockname(fd, address, optionLength);
};

const rawRecvmsg: Call<[number, Uint8Array, number]> = define(
  'int64_t recvmsg(int fd, void *message, int flags)',
);

const rawSendmsg: Call<[number, Uint8Array, number]> = define(
  'int64_t sendmsg(int fd, const void *message, int flags)',
);
/** sendmsg(2) with control data, to a connected socket. */
export const sendMessage = (
  fd: number,
  data: Uint8Array,
  control: Uint8Array,
  flags: number,
): SystemResult => {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(addressOf(data), 0);
  vector.writeBigUInt64LE(BigInt(data.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(addressOf(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  if (control.length > 0) header.writeBigUInt64LE(addressOf(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return rawSendmsg(fd, header, flags);
};

/** recvmsg(2) with control data, over buffers allocated once. 64-bit little-endian layouts only. */
export class MessageReceiver {
  /** The datagram received last. */
  readonly data: Buffer;
  /** Its control messages; {@link controlLength} bytes are valid. */
  readonly control: Buffer;
  /** The raw sockaddr that it came from. */
  readonly name: Buffer;
  readonly #header: Buffer;
  readonly #vector: Buffer;

  constructor(dataSize: number, controlSize: number, nameSize = 0) {
    this.data = Buffer.allocUnsafeSlow(dataSize);
    this.control = Buffer.allocUnsafeSlow(controlSize);
    this.name = Buffer.alloc(nameSize);
    this.#vector = Buffer.alloc(16);
    this.#vector.writeBigUInt64LE(addressOf(this.data), 0);
    this.#vector.writeBigUInt64LE(BigInt(dataSize), 8);
    // struct msghdr: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48.
    this.#header = Buffer.alloc(56);
    if (nameSize > 0) this.#header.writeBigUInt64LE(addressOf(this.name), 0);
    this.#header.writeBigUInt64LE(addressOf(this.#vector), 16);
    this.#header.writeBigUInt64LE(1n, 24);
    this.#header.writeBigUInt64LE(addressOf(this.control), 32);
  }

  get controlLength(): number {
    return this.#header.readUInt32LE(40);
  }

  /** Bytes received, at most `limit`; the true size when `flags` has `MSG_TRUNC`; or −errno. */
  receive(fd: number, flags: number, limit: number = this.data.length): SystemResult {
    this.#vector.writeBigUInt64LE(BigInt(limit), 8);
    this.#header.writeUInt32LE(this.name.length, 8);
    this.#header.writeBigUInt64LE(BigInt(this.control.length), 40);
    return rawRecvmsg(fd, this.#header, flags);
  }
}

/** Address of a buffer's first byte, to put into a structure. Valid as long as the buffer is referenced. */
export const addressOf = (bytes: Uint8Array): bigint => koffi.address(bytes);

const rawAbort = libc.func('void abort()') as () => void;
/** abort(3): ends the whole process, also from a worker thread, where `process.abort()` is refused. */
export const abort = (): never => {
  rawAbort();
  throw new Error('abort() returned');
};

/** A descriptor watched by the event loop of the calling thread (libuv's uv_poll). */
export interface LoopWatch {
  ref(): void;
  unref(): void;
  close(): void;
}

/**
 * Calls `callback` for each turn of the event loop in which `fd` is readable (level-triggered). The callback runs
 * outside any JavaScript callback scope: promises resolved in it do not continue until something else runs, and an
 * exception is lost. The callback should only schedule work (`setImmediate`).
 */
export const watchReadable = (fd: number, callback: () => void): LoopWatch =>
  koffi.node.poll(fd, { readable: true }, callback);
