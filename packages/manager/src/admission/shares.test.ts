// Neither a pod nor a user takes what is there for all.
import { describe, expect, it } from 'vitest';
import type { Limits } from './limits.js';
import { Shares, type SharesComponents } from './shares.js';

const pod = (inode: number, uid = 61001) => ({
  uid,
  gid: uid,
  namespace: { inode, cookie: BigInt(inode) },
});
const sharesOf = (
  limits: Partial<Limits>,
  { exempts = () => false, ruledFor = () => undefined }: Partial<SharesComponents> = {},
) => new Shares({ exempts, ruledFor }, limits);

describe('shares', () => {
  it('tell beforehand what they would refuse, and count nothing then; who listens hears of refusals alone', () => {
    const shares = sharesOf({ watches: 1 });
    const heard: string[] = [];
    const listening = shares.onRefusal((what, { message }) => heard.push(`${what}: ${message}`));
    const would = () => shares.refusalOf('watches', pod(1), shares.heldOf('watches', pod(1)));
    expect(would()).toBeUndefined();
    shares.take('watches', pod(1));
    expect(would()?.message).toMatch(/has 1 of 1 watches/);
    expect(shares.uses().find(({ name }) => name === 'watches')).toMatchObject({ refused: 0 });
    expect(heard).toEqual([]);
    expect(() => shares.take('watches', pod(1))).toThrow();
    expect(heard).toEqual([`watches: ${would()?.message}`]);
    listening[Symbol.dispose]();
    expect(() => shares.take('watches', pod(1))).toThrow();
    expect(heard).toHaveLength(1);
  });

  it('leave others theirs, and are given back', () => {
    const shares = sharesOf({ watches: 2 });
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
    const shares = sharesOf({ watches: 1 });
    for (const inode of [1, 2, 3, 4]) shares.take('watches', pod(inode));
    expect(() => shares.take('watches', pod(5))).toThrow(
      /user 61001 has 4 of 4 watches, .*--limit watches=1, of which a user may have 4 times as many \(--limit userFactor\)/,
    );
    expect(shares.uses().find(({ name }) => name === 'watches')).toMatchObject({
      limitOfUser: 4,
      mostOfUser: 4,
      refused: 1,
    });
    for (const inode of [1, 2, 3, 4, 5, 6]) shares.take('watches', pod(10 + inode, 0));
  });

  it('count what is asked for together', () => {
    const shares = sharesOf({ endpoints: 10 }, { exempts: ({ uid }) => uid === 0 });
    shares.require('endpoints', pod(1), { pod: 5, user: 5 }, { more: 5 });
    expect(() => shares.require('endpoints', pod(1), { pod: 5, user: 5 }, { more: 6 })).toThrow(
      /has 5 of 10/,
    );
    shares.require('endpoints', pod(1, 0), { pod: 5, user: 5 }, { more: 6 });
  });

  it('of a user are as many times those of a pod as the operator says', () => {
    const shares = sharesOf({ watches: 1, userFactor: 2 });
    for (const inode of [1, 2]) shares.take('watches', pod(inode));
    expect(() => shares.take('watches', pod(3))).toThrow(/user 61001 has 2 of 2 watches/);
  });

  it('are those of the policy where it has some, and the refusal names what to raise, also where both are equal', () => {
    const ruled = sharesOf({ connections: 2, watches: 2 }, { ruledFor: () => ({ limit: 2, rule: 'all' }) });
    const had = { pod: 2, user: 2 };
    expect(() => ruled.require('connections', pod(1), had, { ruled: { limit: 2, rule: 'some' } })).toThrow(
      /raise limits.connections of the policy's rule "some"/,
    );
    for (const _ of [1, 2]) ruled.take('watches', pod(1));
    expect(() => ruled.take('watches', pod(1))).toThrow(/raise limits.watches of the policy's rule "all"$/);
    expect(() => sharesOf({ connections: 2 }).require('connections', pod(1), had)).toThrow(
      /raise the manager's --limit connections=2$/,
    );
  });

  it('count what was there before, and what is given back once only', () => {
    const shares = sharesOf({ addressPairs: 2 });
    const giveBack = shares.hold('addressPairs', pod(1), 2);
    expect(() => shares.take('addressPairs', pod(1))).toThrow(/has 2 of 2 address pairs/);
    giveBack();
    giveBack();
    shares.take('addressPairs', pod(1), { more: 2 });
    expect(() => shares.take('addressPairs', pod(1))).toThrow(/has 2 of 2/);
    // Of another manager's client that has the same number.
    shares.take('addressPairs', { ...pod(1), manager: 'b' }, { more: 2 });
  });
});
