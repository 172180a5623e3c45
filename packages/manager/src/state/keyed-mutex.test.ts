// Work under one key goes in order, and is waited for.
import { describe, expect, it } from 'vitest';
import { KeyedMutex } from './keyed-mutex.js';

const pending = (): { promise: Promise<void>; resolve: () => void } => {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
};

describe('a keyed mutex', () => {
  it('runs what concerns one key in order, also after what failed, and nothing else', async () => {
    const mutex = new KeyedMutex();
    const order: string[] = [];
    const first = pending();
    const work = [
      mutex.run('a', async () => {
        await first.promise;
        order.push('a1');
        throw new Error('a1');
      }),
      mutex.run('a', async () => void order.push('a2')),
      mutex.run('b', async () => void order.push('b')),
    ];
    await work[2];
    first.resolve();
    await Promise.allSettled(work);
    expect(order).toEqual(['b', 'a1', 'a2']);
  });

  it('tells when nothing runs any more, also of what was begun meanwhile, or that it did not wait so long', async () => {
    const mutex = new KeyedMutex();
    expect(await mutex.settled(0)).toBe(true);
    const [first, second] = [pending(), pending()];
    void mutex.run('a', () => first.promise);
    expect(await mutex.settled(1)).toBe(false);
    let settled = false;
    const waiting = mutex.settled(60_000).then((all) => {
      settled = all;
    });
    void mutex.run('b', () => second.promise);
    first.resolve();
    await first.promise;
    expect(settled).toBe(false);
    second.resolve();
    await waiting;
    expect(settled).toBe(true);
  });
});
