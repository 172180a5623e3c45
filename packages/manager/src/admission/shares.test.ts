// Neither a pod nor a user takes what is there for all.
import { describe, expect, it } from 'vitest';
import { Shares } from './shares.js';

const pod = (inode: number, uid = 61001) => ({ uid, namespace: { inode, cookie: BigInt(inode) } });

describe('shares', () => {
  it('leave others theirs, and are given back', () => {
    const shares = new Shares({ watches: 2 }, () => false);
    const giveBack = shares.take('watches', pod(1));
    shares.take('watches', pod(1));
    expect(() => shares.take('watches', pod(1))).toThrow(
      /network namespace 1 has 2 of 2 watches.*--limit watches/,
    );
    shares.take('watches', pod(2));
    giveBack();
    shares.take('watches', pod(1));
    expect(shares.uses().find(({ name }) => name === 'watches')).toMatchObject({
      limit: 2,
      most: 2,
      refused: 1,
    });
  });

  it('of a user do not grow with its namespaces, but those of root in pods do', () => {
    const shares = new Shares({ watches: 1 }, () => false);
    for (const inode of [1, 2, 3, 4]) shares.take('watches', pod(inode));
    expect(() => shares.take('watches', pod(5))).toThrow(/user 61001 has 4 of 4 watches/);
    for (const inode of [1, 2, 3, 4, 5, 6]) shares.take('watches', pod(10 + inode, 0));
  });

  it('count what is asked for together', () => {
    const shares = new Shares({ endpoints: 10 }, ({ uid }) => uid === 0);
    shares.require('endpoints', pod(1), { pod: 5, user: 5 }, 5);
    expect(() => shares.require('endpoints', pod(1), { pod: 5, user: 5 }, 6)).toThrow(/has 5 of 10/);
    shares.require('endpoints', pod(1, 0), { pod: 5, user: 5 }, 6);
  });
});
