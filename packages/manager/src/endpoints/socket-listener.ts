// Which process listens on a unix socket, as the kernel tells of the very connection that is made to it.
import { Socket } from 'node:net';
import { descriptorOf, NsmError, type PeerCredentials } from '@nsm/api';
import { connectToSocketFile, peerCredentials, peerProcess } from '@nsm/netlink';
import type { Forwarder } from '../forwarder-client.js';

export interface ListenerComponents {
  readonly forwarder: Pick<Forwarder, 'inspectNamespace'>;
}

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
export function connectTo(path: string, isAdvertised = false): Socket {
  try {
    return new Socket({ fd: connectToSocketFile(path) });
  } catch (thrown) {
    const known = NsmError.from(thrown);
    if (known.kind === 'exhausted') throw known;
    const { code, message } = thrown as NodeJS.ErrnoException;
    throw new NsmError('endpoint-unreachable', whyNobody(path, code ?? message, isAdvertised));
  }
}

/** The process at the other end of a connection, without its namespace. Nothing but a number when it has ended. */
export function processAt(socket: Socket): PeerCredentials {
  const fd = descriptorOf(socket);
  const credentials = peerCredentials(fd);
  using process = peerProcess(fd, credentials);
  return { ...credentials, ...(process ? { startTime: process.startTime } : {}) };
}

/** As `connectTo`, for a look at the process that listens. */
export function listenerOf(path: string): PeerCredentials {
  const socket = connectTo(path);
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
  const socket = connectTo(path, isAdvertised);
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

/** Why a socket's file is not opened, for causes that do not say so themselves. */
const reasons: Readonly<Record<string, string>> = {
  ELOOP: 'it is a symbolic link, or leads through a link of /proc',
  EPERM:
    'it is in files in which whoever looks for one may wait for ever (of a user namespace, of another machine, of a process)',
  EXDEV: 'a link leads to another file system: name it by a path without links',
};

function whyNobody(path: string, cause: string, isAdvertised: boolean): string {
  if (cause === 'EACCES')
    return `socket_location ${path}: this manager may not open it; give it to a group that the manager is in, with mode 0660`;
  const why = reasons[cause] ?? cause;
  const nobody = `nobody answers on socket_location ${path}: ${why}`;
  if (!isAdvertised) return nobody;
  const advice = 'serve it before advertising, and name the socket itself, not a symbolic link to it';
  if (cause !== 'ENOENT') return `${nobody}; ${advice}`;
  return (
    `${nobody}, it does not exist as the manager sees it; ${advice}; an endpoint with a private /tmp or a root of its own ` +
    'must put it where both see it, such as a folder below --run-dir'
  );
}

export function isServed(path: string): boolean {
  try {
    listenerOf(path);
    return true;
  } catch {
    return false;
  }
}
