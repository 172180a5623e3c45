// Which process listens on a unix socket.
import { connect } from 'node:net';
import { descriptorOf } from '@nsm/api';
import { peerCredentials } from '@nsm/netlink';

/** Milliseconds; the kernel connects at once, or not at all. */
const patienceMs = 1000;

/** Its process id; undefined where nobody listens, or the process cannot be seen from here. */
export async function listenerOf(path: string): Promise<number | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ path });
    const end = (pid: number | undefined): void => {
      socket.destroy();
      resolve(pid);
    };
    socket.setTimeout(patienceMs, () => end(undefined));
    socket.once('error', () => end(undefined));
    socket.once('connect', () => {
      // SO_PEERCRED of the end that connected: who called listen(2).
      const { pid } = peerCredentials(descriptorOf(socket));
      end(pid === 0 ? undefined : pid);
    });
  });
}
