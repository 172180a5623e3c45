// Descriptors that are slow to close hold up those of their owner, and nobody else.
import { readlinkSync } from 'node:fs';
import { LingeringSocket, waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../libc/libc.js';
import { ForeignDescriptors } from './foreign-descriptors.js';

describe('ForeignDescriptors', () => {
  let foreign: ForeignDescriptors;
  let lingering: LingeringSocket;

  beforeEach(async () => {
    foreign = new ForeignDescriptors();
    lingering = await LingeringSocket.make(600);
  });
  afterEach(() => {
    foreign.stop();
    lingering[Symbol.dispose]();
  });

  const eventfd = (): number => libc.eventfd(0, libc.EFD_CLOEXEC);
  const isOpen = (fd: number): boolean => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
    } catch {
      return false;
    }
  };
  /** The last descriptor of the lingering socket. */
  const slow = (): number => {
    const last = libc.fcntl(lingering.fd, 1030, 0);
    lingering.letGo();
    return last;
  };

  it('close at once what takes no time', async () => {
    const fds = Array.from({ length: 20 }, eventfd);
    for (const fd of fds) foreign.close('pod', fd);
    await waitFor(() => !fds.some(isOpen), { what: 'all being closed' });
  });

  it('wait for a slow one of the same owner, and not of another', async () => {
    foreign.close('evil', slow());
    const [own, others] = [eventfd(), eventfd()];
    foreign.close('evil', own);
    foreign.close('pod', others);
    await waitFor(() => !isOpen(others), { what: "another's being closed" });
    expect(isOpen(own)).toBe(true);
    expect(foreign.isBehind('evil')).toBe(false);
    const more = Array.from({ length: 256 }, eventfd);
    for (const fd of more) foreign.close('evil', fd);
    expect([foreign.isBehind('evil'), foreign.isBehind('pod')]).toEqual([true, false]);
    lingering[Symbol.dispose]();
    await waitFor(() => ![own, ...more].some(isOpen), { what: 'all being closed' });
    expect(foreign.isBehind('evil')).toBe(false);
  });

  it('let go of all that wait when they stop', async () => {
    foreign.close('evil', slow());
    const own = eventfd();
    foreign.close('evil', own);
    foreign.stop();
    await waitFor(() => !isOpen(own), { what: 'being closed' });
  });
});
