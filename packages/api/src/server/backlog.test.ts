// A reader that is slow, and one that never reads: nothing of what it did not read is kept beyond the limit.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Backlog } from './backlog.js';

describe('Backlog', () => {
  it('gives everything in order, as it comes', async () => {
    const backlog = new Backlog<number>(() => 2);
    const stop = new AbortController();
    const seen: number[] = [];
    backlog.push(1);
    for await (const event of backlog.read(stop.signal)) {
      seen.push(event);
      if (event < 5) setImmediate(() => backlog.push(event + 1));
      else stop.abort();
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('keeps nothing for a reader that is too far behind, and tells it when it reads', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const backlog = new Backlog<object>(() => 3);
    const reading = backlog.read(new AbortController().signal);
    const refs = Array.from({ length: 10 }, () => {
      const event = {};
      backlog.push(event);
      return new WeakRef(event);
    });
    expect(backlog.overrun).toBe(true);
    // What a WeakRef has given is held until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(refs.filter((ref) => ref.deref() !== undefined)).toEqual([]);
    await expect(reading.next()).rejects.toMatchObject({ kind: 'overload' });
  });
});
