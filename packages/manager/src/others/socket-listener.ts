// Who listens on a unix socket, and whether anybody does.
import { connect as connectSocket } from 'node:net';
import { descriptorOf, NsmError, type PeerCredentials } from '@nsm/api';
import { peerCredentials } from '@nsm/netlink';

/**
 * The process that listens on a unix socket.
 * @param timeoutMs milliseconds within which it must accept a connection.
 * @param remedy what to do when nobody does.
 * @throws NsmError `endpoint-unreachable`
 */
export async function listenerOf(path: string, timeoutMs: number, remedy = ''): Promise<PeerCredentials> {
  const advice = remedy && `; ${remedy}`;
  return await new Promise((resolve, reject) => {
    const unreachable = (cause: string): void => {
      const message =
        cause === 'EACCES'
          ? `socket_location ${path}: this manager may not open it; give it to a group that the manager is in, with mode 0660`
          : `nobody answers on socket_location ${path}: ${cause}${advice}`;
      reject(new NsmError('endpoint-unreachable', message));
    };
    const socket = connectSocket(path, () => {
      try {
        resolve(peerCredentials(descriptorOf(socket)));
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
    socket.once('error', (error: NodeJS.ErrnoException) => unreachable(error.code ?? error.message));
  });
}

export async function isServed(path: string, timeoutMs: number): Promise<boolean> {
  return await listenerOf(path, timeoutMs).then(
    () => true,
    () => false,
  );
}
