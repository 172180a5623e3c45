// Writes that share a call, and what each of them hears.
import { create } from '@bufbuild/protobuf';
import { NetworkServiceEndpointSchema, NsmError } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { GatheredWrites } from './gathered-writes.js';

const put = (name: string, prefixes: string[] = []) =>
  ({
    case: 'put',
    value: create(NetworkServiceEndpointSchema, { nseProviderName: name, prefixes }),
  }) as const;

describe('writes of one moment', () => {
  it('share calls of bounded size, in their order', async () => {
    const calls: number[] = [];
    const writes = new GatheredWrites(async (all) => {
      calls.push(all.length);
      return [];
    });
    await Promise.all(Array.from({ length: 600 }, (_, n) => writes.add(put(`e-${n}`))));
    expect(calls).toEqual([256, 256, 88]);
    await writes.add(put('alone'));
    expect(calls.at(-1)).toBe(1);
    const large = Array<string>(6000).fill('fd00:0:0:1::/64');
    await Promise.all(Array.from({ length: 12 }, (_, n) => writes.add(put(`large-${n}`, large))));
    expect(calls.slice(4)).toEqual([4, 4, 4]);
  });

  it('are refused each by itself', async () => {
    const refusal = new NsmError('conflict', 'taken');
    const writes = new GatheredWrites(async (all) =>
      all.map((_, index) => (index === 1 ? refusal.toAdmissionError() : '')),
    );
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((name) => writes.add(put(name))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { kind: 'conflict', message: 'taken' } });
  });

  it('all fail when the registry is away', async () => {
    const writes = new GatheredWrites(() => Promise.reject(new NsmError('unavailable', 'away')));
    const outcomes = await Promise.allSettled([writes.add(put('a')), writes.add(put('b'))]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { kind: 'unavailable' } });
  });
});
