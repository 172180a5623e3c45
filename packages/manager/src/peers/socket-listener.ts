// Which process listens on a unix socket, if any.
import { connect as connectSocket } from 'node:net';
import { descriptorOf, NsmError, type PeerCredentials } from '@nsm/api';
import { peerCredentials, processStartTime } from '@nsm/netlink';

/** The process that listens on a socket. */
export interface Listener extends PeerCredentials {
  /** Clock ticks since the machine started: with the pid, an identity. Undefined when the process cannot be seen. */
  readonly startTime?: number;
}

/** Where a process cannot be seen, its number has to do. */
export function isSameProcess(one: Listener, other: Listener): boolean {
  const seen = one.startTime !== undefined && other.startTime !== undefined;
  return one.pid === other.pid && one.uid === other.uid && (!seen || one.startTime === other.startTime);
}

/**
 * The process that listens on a unix socket.
 * @param timeoutMs milliseconds within which the process must accept a connection.
 * @param isAdvertised the socket was advertised by an endpoint, which is told what to do when no process listens.
 * @throws NsmError `endpoint-unreachable`
 */
export async function listenerOf(path: string, timeoutMs: number, isAdvertised = false): Promise<Listener> {
  return await new Promise((resolve, reject) => {
    const unreachable = (cause: string): void => {
      reject(new NsmError('endpoint-unreachable', whyNobody(path, cause, isAdvertised)));
    };
    const socket = connectSocket(path, () => {
      try {
        const credentials = peerCredentials(descriptorOf(socket));
        const startTime = processStartTime(credentials.pid);
        resolve({ ...credentials, ...(startTime === undefined ? {} : { startTime }) });
      } catch (error) {
        reject(error);
      } finally {
        socket.destroy();
      }
    });
    socket.setTimeout(timeoutMs, () => {
      socket.destroy();
      unreachable('no answer');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const known = NsmError.from(error);
      if (known.kind === 'exhausted') reject(known);
      else unreachable(error.code ?? error.message);
    });
  });
}

function whyNobody(path: string, cause: string, isAdvertised: boolean): string {
  if (cause === 'EACCES')
    return `socket_location ${path}: this manager may not open it; give it to a group that the manager is in, with mode 0660`;
  const nobody = `nobody answers on socket_location ${path}: ${cause}`;
  if (!isAdvertised) return nobody;
  const advice = 'serve it before advertising';
  if (cause !== 'ENOENT') return `${nobody}; ${advice}`;
  return (
    `${nobody}, it does not exist as the manager sees it; ${advice}; an endpoint with a private /tmp or a root of its own ` +
    'must put it where both see it, such as a folder below --run-dir'
  );
}

export async function isServed(path: string, timeoutMs: number): Promise<boolean> {
  return await listenerOf(path, timeoutMs).then(
    () => true,
    () => false,
  );
}
