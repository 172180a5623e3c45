// How many rounds it takes to find the largest packet that gets through.
import { expect, it } from 'vitest';
import { largestSize } from './largest-size.js';

it.each([577, 1399, 1400, 1498])(
  'finds %d bytes between one that passes and one that does not',
  async (wanted) => {
    let [rounds, passes, fails] = [0, 576, 1500];
    const largest = await largestSize(passes, fails, async (sizes) => {
      rounds++;
      expect(sizes.every((size) => size > passes && size < fails)).toBe(true);
      const through = sizes.filter((size) => size <= wanted);
      passes = Math.max(passes, ...through);
      fails = Math.min(fails, ...sizes.filter((size) => size > wanted));
      return through;
    });
    expect([largest, rounds <= 4]).toEqual([wanted, true]);
  },
);

it('no size is asked for where none lies between', async () => {
  expect(await largestSize(1399, 1400, () => Promise.reject(new Error('asked')))).toBe(1399);
});
