// One manager of a name in a network namespace: by its name it knows its interfaces, and takes away those it does not.
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { NsmError, takeNamespaceLock } from '@nsm/api';
import { refuseDescriptors } from '@nsm/netlink';
import type { Logger } from 'pino';
import { processAt } from '../endpoints/socket-listener.js';
import { quote } from '../untrusted-text.js';

/**
 * Takes the name until what it returns is called, or the process ends.
 * @throws NsmError `conflict` while another manager of this user or of root has it.
 */
export async function takeName(name: string, logger: Logger): Promise<() => void> {
  const place = `nsm-manager-${createHash('sha256').update(name).digest('hex')}`;
  try {
    return await takeNamespaceLock(place, `a manager of the name ${quote(name)}`, refuseDescriptors);
  } catch (thrown) {
    if (NsmError.from(thrown).kind !== 'conflict') throw thrown;
    const { pid, uid } = await holderOf(place);
    // Any process of the node may take an abstract socket; it shall not keep a manager from starting.
    if (uid !== 0 && uid !== process.getuid?.()) {
      logger.warn(
        { pid, uid },
        'a process of another user has the socket by which managers of one name meet',
      );
      return () => undefined;
    }
    throw new NsmError(
      'conflict',
      `a manager of the name ${quote(name)} runs in this network namespace already${pid ? ` (process ${pid})` : ''}, and their ` +
        'interfaces could not be told apart: stop that one, or choose another --name',
      thrown,
    );
  }
}

/** The process that has the lock; as if it were root's where it cannot be seen. */
async function holderOf(place: string): Promise<{ readonly pid: number; readonly uid: number }> {
  return await new Promise((resolve) => {
    const socket = connect(`\0${place}`, () => {
      resolve(processAt(socket));
      socket.destroy();
    });
    socket.once('error', () => resolve({ pid: 0, uid: 0 }));
  });
}
