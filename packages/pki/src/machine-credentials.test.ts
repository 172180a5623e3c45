// When a certificate should have been renewed.
import type { X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { isDue, isOverdue } from './machine-credentials.js';

const hours = (count: number): number => count * 3_600_000;
const begin = Date.parse('2026-06-01T00:00:00Z');
const lasting = (lifeMs: number): X509Certificate => {
  const [validFrom, validTo] = [begin, begin + lifeMs].map((time) => new Date(time).toUTCString());
  return { validFrom, validTo } as X509Certificate;
};

it.each([
  ['a day', 24, -1, true, false],
  ['a day', 24, 15, false, false],
  ['a day', 24, 17, true, false],
  ['a day', 24, 21, true, true],
  ['two years', 730 * 24, 700 * 24, true, false],
  ['two years', 730 * 24, 717 * 24, true, true],
])('of a certificate for %s (%i h), after %i h: due %s, overdue %s', (_, life, after, due, overdue) => {
  const now = begin + hours(after);
  expect([isDue(lasting(hours(life)), now), isOverdue(lasting(hours(life)), now)]).toEqual([due, overdue]);
});
