// Unix streams over which no descriptor comes. Whoever reads by read(2) lets go of descriptors that came along without having seen them,
// and to let go of the last one of a socket that lingers (SO_LINGER) takes as long as its owner said: meanwhile the reading thread stands still.
import * as libc from '../libc/libc.js';
import { check } from '../libc/netlink-error.js';
import { openSocketFile } from './socket-file.js';
import { addressOf } from './unix-socket.js';

/** Linux 6.16; before, descriptors come. */
const SO_PASSRIGHTS = 83;

/**
 * Whoever sends a descriptor to this socket, or to one that is accepted by it from now on, gets EPERM.
 * @returns false where the kernel cannot do that: before Linux 6.16.
 */
export function refuseDescriptors(socket: number): boolean {
  return libc.setSocketOption(socket, libc.SOL_SOCKET, SO_PASSRIGHTS, 0) >= 0;
}

/**
 * Connects to a stream socket that refuses descriptors from the beginning. It does not wait for the other side to accept.
 * @returns the descriptor, non-blocking.
 * @throws NetlinkError ENOENT, ECONNREFUSED: no process listens there; EAGAIN: too many wait; EACCES, EMFILE
 */
export function connectWithoutDescriptors(path: string): number {
  const type = libc.SOCK_STREAM | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
  const fd = check(libc.socket(libc.AF_UNIX, type, 0), 'open', 'a unix socket');
  refuseDescriptors(fd);
  const address = addressOf(path);
  const result = libc.connect(fd, address, address.length);
  if (result < 0) libc.close(fd);
  check(result, 'connect to', path);
  return fd;
}

/**
 * As `connectWithoutDescriptors`, to a path that a stranger chose: what is connected to is the file that was opened.
 * @throws NetlinkError as that and `openSocketFile`
 */
export function connectToSocketFile(path: string): number {
  const file = openSocketFile(path);
  try {
    return connectWithoutDescriptors(`/proc/self/fd/${file}`);
  } finally {
    // Not by node:fs, which notes in each thread what it has opened there.
    libc.close(file);
  }
}
