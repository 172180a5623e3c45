import { expect, it } from 'vitest';
import { age, bitRate, duration, short } from './format.js';

it.each([
  [0, '0'],
  [0.2, '<1'],
  [999, '999'],
  [1234, '1.2 k'],
  [12_345_678, '12 M'],
])('%d is %s', (value, text) => expect(short(value)).toBe(text));

it.each([
  [0.085, '85 µs'],
  [1.25, '1.3 ms'],
  [12.3, '12 ms'],
  [3400, '3.4 s'],
  [65_000, '65 s'],
])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

it('rates have a unit, and ages two at most', () => {
  expect([bitRate(0), bitRate(2_500_000)]).toEqual(['0 bit/s', '2.5 Mbit/s']);
  const since = '2026-01-01T00:00:00Z';
  const at = (seconds: number): string => age(since, Date.parse(since) + seconds * 1000);
  expect([at(-5), at(59), at(3599), at(3600), at(200_000), age('', 0)]).toEqual([
    '0s',
    '59s',
    '59m',
    '1h 0m',
    '2d 7h',
    '',
  ]);
});
