import { expect, it } from 'vitest';
import { waterfall } from './waterfall.js';

it('a waterfall has all steps on one scale, and shows the shortest, too', () =>
  expect(
    waterfall(
      [
        { startMs: 0, durationMs: 50 },
        { startMs: 50, durationMs: 0.01 },
        { startMs: 99.99, durationMs: 0.01 },
      ],
      100,
      32,
    ),
  ).toEqual([
    `${'='.repeat(16)}${' '.repeat(16)}`,
    `${' '.repeat(16)}=${' '.repeat(15)}`,
    `${' '.repeat(31)}=`,
  ]));
