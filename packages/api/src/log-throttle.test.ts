// What is worth a line in the log.
import { expect, it } from 'vitest';
import { LogThrottle } from './log-throttle.js';

it('a throttle passes what is new, and the same again only after five minutes', () => {
  let now = 0;
  const logThrottle = new LogThrottle(() => now);
  expect(logThrottle.isNews('a', 'broken')).toBe(true);
  expect(logThrottle.isNews('a', 'broken')).toBe(false);
  expect(logThrottle.isNews('a', 'worse')).toBe(true);
  expect(logThrottle.isNews('b', 'broken')).toBe(true);
  // Two that take turns are both known.
  expect(logThrottle.isNews('a', 'broken')).toBe(false);
  now = 300_000;
  expect(logThrottle.isNews('a', 'broken')).toBe(true);
  logThrottle.forget('a');
  expect(logThrottle.isNews('a', 'broken')).toBe(true);
  expect(logThrottle.isNews('b', 'worse')).toBe(true);
});
