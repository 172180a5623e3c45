// Views in the words of tables.
import { describe, expect, it } from 'vitest';
import { ageText, counted, interfaceText, orderText } from './texts.js';

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

it.each([
  [false, 'took'],
  [true, 'under way for'],
])('tells of an order, under way: %s', (underWay, word) => {
  const order = { traceId: '', kind: 'heal', started: '2026-01-02T00:00:00.000Z', error: '', steps: [] };
  const text = orderText({ ...order, durationMs: 5127, underWay });
  expect(text).toBe(`last order: heal, 2026-01-02T00:00:00.000Z, ${word} 5.1 s`);
});

it('texts count things, and name interfaces with and without a device', () => {
  expect([counted(1, 'file'), counted(0, 'file')]).toEqual(['1 file', '0 files']);
  expect([interfaceText('nsm0', 'kernel'), interfaceText('', 'mem')]).toEqual(['nsm0 (kernel)', 'mem']);
});
