// Who is at the other end of a unix socket: facts that the kernel noted when the connection was made, and no number looked up later.
import { fstatSync, statSync } from 'node:fs';
import { DecodeError } from '../decode-error.js';
import * as libc from '../libc/libc.js';
import { check } from '../libc/netlink-error.js';
import { openProcess, ProcessHandle, processStartTime } from '../libc/processes.js';
import { OWN_NAMESPACE_PATH } from '../namespaces/network-namespace.js';

/** A network namespace, as the kernel tells it apart from all others. */
export interface NamespaceIdentity {
  /** 0 where this process may not see it: SIOCGSKNS needs CAP_NET_ADMIN over the namespace. Given again after its end. */
  readonly inode: number;
  /** SO_NETNS_COOKIE: never given again until the machine restarts. 0 before Linux 5.14. */
  readonly cookie: bigint;
}

/** Who opened the other end of a unix socket, at the time it connected. */
export interface PeerCredentials {
  /** 0 when the process is not visible from this PID namespace. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /**
   * Clock ticks (1/100 s) since the machine started: with the pid, an identity. Undefined when the process had ended already, or
   * cannot be seen.
   */
  readonly startTime?: number;
  /** Undefined when it cannot be known. */
  readonly namespace?: NamespaceIdentity;
}

const SO_NETNS_COOKIE = 71;
const SO_PEERPIDFD = 77;
const SIOCGSKNS = 0x894c;
const ENOPROTOOPT = 92;

/** SO_PEERCRED of a connected unix socket (unix(7)). @throws NetlinkError ENOTSOCK, EBADF */
export const peerCredentials = (socketFd: number): PeerCredentials => {
  // struct ucred: pid, uid, gid.
  const value = Buffer.alloc(12);
  const size = libc.getSocketOption(socketFd, libc.SOL_SOCKET, libc.SO_PEERCRED, value);
  check(size, 'get peer credentials', `of descriptor ${socketFd}`);
  if (size < value.length) throw new DecodeError(`peer credentials of ${size} bytes`);
  return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
};

/**
 * Who opened the other end of an accepted socket. The accepted end belongs to the network namespace in which the other end was
 * opened (unix_stream_connect() of net/unix/af_unix.c), whatever has become of the process, its number and its namespace since. A
 * socket that is handed on to another process counts as its opener's.
 * @throws NetlinkError ENOTSOCK, EBADF
 */
export const openerOf = (acceptedFd: number): PeerCredentials => {
  const credentials = peerCredentials(acceptedFd);
  using process = peerProcess(acceptedFd, credentials);
  const namespace = namespaceOfSocket(acceptedFd);
  return {
    ...credentials,
    ...(process?.hasItsNumber() ? { startTime: process.startTime } : {}),
    ...(namespace.inode || namespace.cookie ? { namespace } : {}),
  };
};

/**
 * The process at the other end of a connected socket, held: of an endpoint's, the process that called listen(2). Before Linux 6.5,
 * without SO_PEERPIDFD, the process that has the number now. Undefined when it has ended, or cannot be seen.
 */
export const peerProcess = (
  socketFd: number,
  { pid }: Pick<PeerCredentials, 'pid'>,
): ProcessHandle | undefined => {
  if (pid === 0) return undefined;
  const value = Buffer.alloc(4);
  const size = libc.getSocketOption(socketFd, libc.SOL_SOCKET, SO_PEERPIDFD, value);
  if (size === -ENOPROTOOPT) return openAlive(pid);
  if (size < 0) return undefined;
  const fd = value.readInt32LE(0);
  const startTime = processStartTime(pid);
  const handle = new ProcessHandle(fd, pid, startTime ?? 0);
  // The number may be another process's by now.
  if (startTime !== undefined && handle.hasItsNumber()) return handle;
  handle.close();
  return undefined;
};

const openAlive = (pid: number): ProcessHandle | undefined => {
  try {
    return openProcess(pid);
  } catch {
    return undefined;
  }
};

/** The network namespace a socket was opened in; of an accepted unix socket, that of the other end. */
const namespaceOfSocket = (fd: number): NamespaceIdentity => {
  const value = Buffer.alloc(8);
  const told = libc.getSocketOption(fd, libc.SOL_SOCKET, SO_NETNS_COOKIE, value) >= 0;
  return { inode: inodeOfSocket(fd), cookie: told ? value.readBigUInt64LE() : 0n };
};

const inodeOfSocket = (fd: number): number => {
  const namespace = libc.ioctlNumber(fd, SIOCGSKNS, 0);
  if (namespace < 0) return 0;
  try {
    return fstatSync(namespace).ino;
  } finally {
    libc.close(namespace);
  }
};

/** The network namespace that the calling thread is in. */
export const ownNamespace = (): NamespaceIdentity => {
  const socket = check(libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0), 'open', 'a socket');
  try {
    return { ...namespaceOfSocket(socket), inode: statSync(OWN_NAMESPACE_PATH).ino };
  } finally {
    libc.close(socket);
  }
};
