// Descriptors that are slow to close hold up those of their owner, and nobody else.
import { readlinkSync } from 'node:fs';
import { LingeringSocket, waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../libc/libc.js';
import { ForeignDescriptors } from './foreign-descriptors.js';

describe('ForeignDescriptors', () => {
  let foreign: ForeignDescriptors;
  let lingering: LingeringSocket[];

  beforeEach(async () => {
    foreign = new ForeignDescriptors();
    lingering = await Promise.all(Array.from({ length: 8 }, () => LingeringSocket.make(600)));
  });
  afterEach(() => {
    foreign.stop();
    release();
  });

  const release = (): void => {
    for (const one of lingering) one[Symbol.dispose]();
  };
  const eventfd = (): number => libc.eventfd(0, libc.EFD_CLOEXEC);
  const isOpen = (fd: number): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
    } catch {
      return false;
    }
  };
  /** As many that take long as are closed at a time. */
  const closeSlow = (): void => {
    for (const one of lingering) {
      // F_DUPFD_CLOEXEC: the last descriptor of the socket.
      const last = libc.fcntl(one.fd, 1030, 0);
      one.letGo();
      foreign.close('evil', last);
    }
  };

  it('close at once what takes no time', async () => {
    const fds = Array.from({ length: 20 }, eventfd);
    for (const fd of fds) foreign.close('pod', fd);
    await waitFor(() => !fds.some(isOpen), { what: 'all being closed' });
  });

  it('wait for slow ones of the same owner, and not of another', async () => {
    closeSlow();
    const [own, others] = [eventfd(), eventfd()];
    foreign.close('evil', own);
    foreign.close('pod', others);
    await waitFor(() => !isOpen(others), { what: "another's being closed" });
    expect(isOpen(own)).toBe(true);
    expect(foreign.isBehind('evil')).toBe(false);
    const more = Array.from({ length: 256 }, eventfd);
    for (const fd of more) foreign.close('evil', fd);
    expect([foreign.isBehind('evil'), foreign.isBehind('pod')]).toEqual([true, false]);
    release();
    await waitFor(() => ![own, ...more].some(isOpen), { what: 'all being closed' });
    expect(foreign.isBehind('evil')).toBe(false);
  });

  it('let go of all that wait when they stop', async () => {
    closeSlow();
    const own = eventfd();
    foreign.close('evil', own);
    foreign.stop();
    await waitFor(() => !isOpen(own), { what: 'being closed' });
  });
});
