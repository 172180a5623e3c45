// Lists in messages: short ones whole, long ones cut.
import { expect, it } from 'vitest';
import { abbreviatedList } from './abbreviated-list.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, n) => `e${n}`);

it.each([
  [0, ''],
  [1, 'e0'],
  [10, 'e0, e1, e2, e3, e4, e5, e6, e7, e8, e9'],
  [11, 'e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, … and 1 more'],
  [1000, 'e0, e1, e2, e3, e4, e5, e6, e7, e8, e9, … and 990 more'],
])('names ten of %i at most', (count, expected) => {
  expect(abbreviatedList(names(count))).toBe(expected);
});

it('names are joined by the separator that is asked for', () => {
  expect(abbreviatedList(names(12), '; ')).toMatch(/^e0; e1;.* e9; … and 2 more$/);
});
