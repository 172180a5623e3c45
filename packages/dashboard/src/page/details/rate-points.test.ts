import { expect, it } from 'vitest';
import { ratePoints } from './rate-points.js';

const at = (ms: number, rxBytes: number) => ({
  at: ms,
  counters: { rxBytes, txBytes: 0, rxPackets: 0, txPackets: 0, drops: 0 },
});

it('are rates between counters, and a gap where nobody counted', () => {
  const points = ratePoints([at(0, 0), at(1000, 1000), at(2000, 1000), at(60_000, 9000), at(61_000, 9500)]);
  expect(points.map(({ at: ms, rates }) => [ms, rates?.rxBits ?? null])).toEqual([
    [1000, 8000],
    [2000, 0],
    [60_000, null],
    [61_000, 4000],
  ]);
});
