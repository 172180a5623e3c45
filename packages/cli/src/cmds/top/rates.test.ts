import type { ConnectionView } from '@nsm/views/connection-view';
import { describe, expect, it } from 'vitest';
import { type RateView, ratesOf, sorted } from './rates.js';

function counted(id: string, receivedBytes: number, sentPackets = 0): ConnectionView {
  const statistics = {
    receivedBytes,
    sentPackets,
    receivedPackets: 0,
    sentBytes: 0,
    receivedDrops: 0,
    sentDrops: 0,
    drops: {},
  };
  return {
    id,
    service: 'echo',
    requestId: `of ${id}`,
    state: 'SYNCED',
    statistics,
  } as unknown as ConnectionView;
}

describe('rates', () => {
  it('are differences per second', () =>
    expect(ratesOf([counted('a', 1000, 5)], [counted('a', 3000, 7)], 500)).toMatchObject([
      { id: 'a', requestId: 'of a', receivedBits: 32_000, sentPackets: 4, drops: 0 },
    ]));

  it('leave out what was not there before, and are never below 0', () => {
    expect(ratesOf([], [counted('a', 1)], 1000)).toEqual([]);
    expect(ratesOf([counted('a', 900)], [counted('a', 100)], 1000)).toMatchObject([{ receivedBits: 0 }]);
  });

  it('are sorted with the most first', () => {
    const rates = ratesOf([counted('a', 0), counted('b', 0)], [counted('a', 1, 9), counted('b', 2, 3)], 1000);
    const order = (by: Parameters<typeof sorted>[1]): string[] =>
      sorted(rates, by).map(({ id }: RateView) => id);
    expect(order('rx')).toEqual(['b', 'a']);
    expect(order('service')).toEqual(['a', 'b']);
  });
});
