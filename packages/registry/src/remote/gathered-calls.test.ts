// Questions that share a call, and what each caller hears.
import { NsmError } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { GatheredCalls } from './gathered-calls.js';

const gathered = (send: (items: readonly string[]) => Promise<readonly (string | NsmError)[]>) =>
  new GatheredCalls({ count: 256, bytes: 1000 }, (item: string) => item.length, send);

describe('calls of one moment', () => {
  it('are few, of bounded size, and keep the order', async () => {
    const calls: number[] = [];
    const calling = gathered(async (items) => {
      calls.push(items.length);
      return items.map((item) => `${item}!`);
    });
    const answers = await Promise.all(Array.from({ length: 600 }, (_, n) => calling.add(`${n % 10}`)));
    expect(calls).toEqual([256, 256, 88]);
    expect(answers.slice(0, 3)).toEqual(['0!', '1!', '2!']);
    await calling.add('alone');
    expect(calls.at(-1)).toBe(1);
    await Promise.all(Array.from({ length: 12 }, () => calling.add('x'.repeat(240))));
    expect(calls.slice(4)).toEqual([4, 4, 4]);
    await Promise.all(Array.from({ length: 2 }, () => calling.add('x'.repeat(2000))));
    expect(calls.slice(7)).toEqual([1, 1]);
  });

  it('fail each by itself', async () => {
    const refusal = new NsmError('conflict', 'taken');
    const calling = gathered(async (items) => items.map((item) => (item === 'b' ? refusal : item)));
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((name) => calling.add(name)));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: { kind: 'conflict', message: 'taken' } });
  });

  it('all fail when the registry is away', async () => {
    const calling = gathered(() => Promise.reject(new NsmError('unavailable', 'away')));
    const outcomes = await Promise.allSettled([calling.add('a'), calling.add('b')]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { kind: 'unavailable' } });
  });
});
