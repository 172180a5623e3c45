// Numbers that fit into a narrow column.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitRate, shortNumber } from './short-number.js';

describe('shortNumber', () => {
  it.each([
    [0, '0'],
    [0.2, '<1'],
    [999, '999'],
    [999.6, '1.0k'],
    [9949, '9.9k'],
    [12_345, '12k'],
    [7_400_000_000, '7.4G'],
  ])('%d is %s', (value, text) => expect(shortNumber(value)).toBe(text));

  it('stands apart from its unit', () => {
    expect([0, 662, 7.4e9].map(bitRate)).toEqual(['0 bit/s', '662 bit/s', '7.4 Gbit/s']);
  });

  it('has four characters at most below 1000 T', () =>
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 9.99e14, noNaN: true }),
        (value) => shortNumber(value).length <= 4,
      ),
    ));
});
