import { expect, it } from 'vitest';
import { summaryOf } from './summary.js';

it('a summary tells loss, and the spread of the round trips', () => {
  expect(summaryOf([3, undefined, 1, 2])).toEqual({
    sent: 4,
    received: 3,
    lossPercent: 25,
    leastMs: 1,
    medianMs: 2,
    mostMs: 3,
  });
  expect(summaryOf([])).toMatchObject({ sent: 0, received: 0, lossPercent: 0 });
});
