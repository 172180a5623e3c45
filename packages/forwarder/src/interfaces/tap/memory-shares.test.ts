// Memory counts as the pod's that shares it: pages with and without contents, once however often they are mapped, and only as long as they are.
import { libc, memory } from '@nsm/netlink';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryShares, newUse, useIn } from './memory-shares.js';

const mib = 2 ** 20;

describe('MemoryShares', () => {
  const opened: number[] = [];
  /** A file that is as large as it is said to be, and empty. */
  const sparse = (): number => {
    const fd = memory.memfdCreate('sparse', 0);
    opened.push(fd);
    return fd;
  };
  afterEach(() => {
    for (const fd of opened.splice(0)) libc.close(fd);
  });

  it('refuse what is too much for a pod, and take more when something is given back', () => {
    const use = newUse();
    const share = new MemoryShares({ sharedMemoryMib: 3, userFactor: 2 }, use).of({ pod: '1', uid: 0 });
    const giveBack = share.take(sparse(), 2 * mib);
    const refusal = 'limit of a pod: 3 MiB of shared memory (--limit sharedMemoryMib)';
    expect(() => share.take(sparse(), 2 * mib)).toThrow(refusal);
    giveBack();
    giveBack();
    share.take(sparse(), 3 * mib);
    expect(() => share.take(sparse(), 1)).toThrow(refusal);
    expect(useIn(use)).toEqual({ most: 3, mostOfUser: 3, refused: 2 });
  });

  it('count a file once for a pod, as much of it as is mapped, until nobody maps it', () => {
    const share = new MemoryShares({ sharedMemoryMib: 3, userFactor: 2 }, newUse()).of({ pod: '1', uid: 0 });
    const file = sparse();
    const [first, second] = [share.take(file, mib), share.take(file, 2 * mib)];
    share.take(sparse(), mib);
    expect(() => share.take(file, 3 * mib)).toThrow('limit of a pod');
    second();
    expect(() => share.take(sparse(), mib)).toThrow('limit of a pod');
    first();
    share.take(sparse(), 2 * mib);
  });

  it('of a user are so many times those of a pod, and those of root as many as there are pods', () => {
    const shares = new MemoryShares({ sharedMemoryMib: 1, userFactor: 2 }, newUse());
    for (const pod of ['1', '2']) shares.of({ pod, uid: 61_001 }).take(sparse(), mib);
    expect(() => shares.of({ pod: '3', uid: 61_001 }).take(sparse(), mib)).toThrow(
      'limit of user 61001: 2 MiB of shared memory',
    );
    for (const pod of ['1', '2', '3']) shares.of({ pod: `${pod} of root`, uid: 0 }).take(sparse(), mib);
  });
});
