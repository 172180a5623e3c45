// What may differ between what a page shows and what a command prints, and what may not.
import { expect, it } from 'vitest';
import { misfit } from './shape.js';

const shown = [
  'NAME   RTT    ADDRESS',
  'alice  41 µs  100.64.64.1/31',
  '…',
  '✓ done: node-a:8d1f… (17.58 ms)',
];

it('other numbers, units, ids and widths are the same shape', () => {
  const printed =
    'NAME    RTT      ADDRESS\nalice   1.02 ms  100.64.0.13/31\n\nbob 1\n✓ done: node-a:0b22 x (0.2 s)\n';
  expect(misfit(shown, printed)).toBe('');
});

it('other words, and lines that are missing or too many, are not', () => {
  expect(misfit(shown, 'NAME RTT ADDRESS\nbob 41 µs 100.64.64.1/31')).toBe(
    'shown: alice 41 µs 100.64.64.1/31\nprinted: bob 41 µs 100.64.64.1/31',
  );
  expect(misfit(shown.slice(0, 2), `${shown[0]}`)).toContain('printed: (nothing)');
  expect(misfit(shown.slice(0, 1), shown.slice(0, 2).join('\n'))).toBe(
    'not shown: alice 41 µs 100.64.64.1/31',
  );
});
