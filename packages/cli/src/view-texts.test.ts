// Views in the words of tables.
import { describe, expect, it } from 'vitest';
import { ageText } from './view-texts.js';

describe('ageText', () => {
  it.each([
    [0, '0s'],
    [59, '59s'],
    [61, '1m1s'],
    [3600, '1h'],
    [90_061, '1d1h'],
    [-5, '0s'],
  ])('%d seconds are %s', (seconds, text) => {
    const now = Date.parse('2026-01-02T00:00:00Z');
    expect(ageText(new Date(now - seconds * 1000).toISOString(), now)).toBe(text);
  });
});
