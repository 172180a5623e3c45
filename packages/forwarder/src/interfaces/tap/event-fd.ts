// Eventfds that are shared with a peer: by them each peer wakes the other.
import { readlinkSync } from 'node:fs';
import { libc } from '@nsm/netlink';

/** fcntl(2) */
const F_SETFL = 4;
const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const drained = Buffer.alloc(8);

/** @throws Error */
export function makeEventfd(): number {
  const eventfd = libc.eventfd(0, libc.EFD_CLOEXEC | libc.EFD_NONBLOCK);
  if (eventfd < 0) throw new Error(libc.errorText(-eventfd));
  return eventfd;
}

/** @throws Error for any other descriptor: reading or writing it might do anything. */
export function requireEventfd(fd: number): void {
  if (readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[eventfd]')
    throw new Error('a ring whose descriptor is no eventfd');
}

/** Must be called before a ring is looked at, or a packet that comes between is slept over. */
export function settle(eventfd: number): void {
  neverWait(eventfd);
  libc.read(eventfd, drained, drained.length);
}

/** Wakes the peer. */
export function signal(eventfd: number): void {
  neverWait(eventfd);
  libc.write(eventfd, one, one.length);
}

/** The peer has the same file open, and could have let it block since. */
function neverWait(eventfd: number): void {
  libc.fcntl(eventfd, F_SETFL, libc.O_NONBLOCK);
}

/** The first of the descriptors that came with a message, taken out of them. @throws Error when there is none. */
export function takeDescriptor(descriptors: number[]): number {
  const fd = descriptors.shift();
  if (fd === undefined) throw new Error('a message without its descriptor');
  return fd;
}
