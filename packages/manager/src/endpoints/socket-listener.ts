// Which process listens on a unix socket, as the kernel tells of the very connection that is made to it.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { descriptorOf, NsmError, type PeerCredentials } from '@nsm/api';
import { peerCredentials, peerProcess } from '@nsm/netlink';
import type { Forwarder } from '../forwarder-client.js';

export interface ListenerComponents {
  readonly forwarder: Pick<Forwarder, 'inspectNamespace'>;
}

/** Milliseconds within which a process must accept a connection on its socket. */
export const reachTimeoutMs = 2000;

/** O_PATH of linux/fcntl.h, which Node.js does not name. */
const O_PATH = 0o10000000;

/** By number, user and start; by number and user where neither process can be seen. */
export function isSameProcess(one: PeerCredentials, other: PeerCredentials): boolean {
  const seen = one.startTime !== undefined || other.startTime !== undefined;
  return one.pid === other.pid && one.uid === other.uid && (!seen || one.startTime === other.startTime);
}

/**
 * Connects to a unix socket and hears who listens. The path is followed once, and not through a symbolic link at its end: whatever
 * becomes of it, what is connected to is what was opened. Folders above may be links, as /var/run is: whose socket it is, is told by
 * the connection and not by the path.
 * @param isAdvertised the socket was advertised by an endpoint, which is told what to do when no process listens.
 * @throws NsmError `endpoint-unreachable`, or `exhausted`
 */
export async function connectTo(path: string, isAdvertised = false): Promise<Socket> {
  const unreachable = ({ code, message }: NodeJS.ErrnoException): NsmError => {
    const known = NsmError.from(Object.assign(new Error(message), { code }));
    if (known.kind === 'exhausted') return known;
    return new NsmError('endpoint-unreachable', whyNobody(path, code ?? message, isAdvertised));
  };
  // An abstract socket has no file.
  if (path.startsWith('\0')) return await connected(path, unreachable);
  let file: number;
  try {
    file = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (thrown) {
    throw unreachable(thrown as NodeJS.ErrnoException);
  }
  try {
    if (fstatSync(file).isSymbolicLink()) throw unreachable(new Error('it is a symbolic link'));
    return await connected(`/proc/self/fd/${file}`, unreachable);
  } finally {
    closeSync(file);
  }
}

async function connected(
  path: string,
  unreachable: (error: NodeJS.ErrnoException) => NsmError,
): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void => {
      socket.destroy();
      reject(unreachable(error));
    };
    const socket = connectSocket(path, () => {
      socket.setTimeout(0);
      socket.off('error', fail);
      resolve(socket);
    });
    socket.setTimeout(reachTimeoutMs, () => fail(new Error('no answer')));
    socket.once('error', fail);
  });
}

/** The process at the other end of a connection, without its namespace. Nothing but a number when it has ended. */
export function processAt(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket);
  const credentials = peerCredentials(fd);
  using process = peerProcess(fd, credentials);
  return { ...credentials, ...(process ? { startTime: process.startTime } : {}) };
}

/** As `connectTo`, for a look at the process that listens. */
export async function listenerOf(path: string, isAdvertised = false): Promise<PeerCredentials> {
  const socket = await connectTo(path, isAdvertised);
  try {
    return processAt(socket);
  } finally {
    socket.destroy();
  }
}

/**
 * As `listenerOf`, with the network namespace that the process is in. The process is held by the connection's pidfd while its number
 * is looked up: what is found is of no later process with that number. Of a process that has ended nothing is found.
 */
export async function identifyListener(
  { forwarder }: ListenerComponents,
  path: string,
  isAdvertised = false,
): Promise<PeerCredentials> {
  const socket = await connectTo(path, isAdvertised);
  try {
    const fd = descriptorOf(socket);
    const credentials = peerCredentials(fd);
    using process = peerProcess(fd, credentials);
    if (!process) return credentials;
    const { pid, startTime } = process;
    const { pidInode: inode, pidCookie: cookie } = await forwarder.inspectNamespace({ pid, inodeOnly: true });
    if (!process.hasItsNumber()) return credentials;
    return { ...credentials, startTime, ...(inode ? { namespace: { inode, cookie } } : {}) };
  } finally {
    socket.destroy();
  }
}

function whyNobody(path: string, cause: string, isAdvertised: boolean): string {
  if (cause === 'EACCES')
    return `socket_location ${path}: this manager may not open it; give it to a group that the manager is in, with mode 0660`;
  const nobody = `nobody answers on socket_location ${path}: ${cause}`;
  if (!isAdvertised) return nobody;
  const advice = 'serve it before advertising, and name the socket itself, not a symbolic link to it';
  if (cause !== 'ENOENT') return `${nobody}; ${advice}`;
  return (
    `${nobody}, it does not exist as the manager sees it; ${advice}; an endpoint with a private /tmp or a root of its own ` +
    'must put it where both see it, such as a folder below --run-dir'
  );
}

export async function isServed(path: string): Promise<boolean> {
  return await listenerOf(path).then(
    () => true,
    () => false,
  );
}
