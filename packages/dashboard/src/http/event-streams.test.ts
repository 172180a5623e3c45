// What the page is sent: text that people read.
import { expect, it } from 'vitest';
import { jsonOf } from './event-streams.js';

it('is in words that people type, and says what a browser would hide', () => {
  const told = { reason: 'asks for MEM_INTERFACE, offers KERNEL_INTERFACE', name: 'a\u202eb', count: 1 };
  expect(JSON.parse(jsonOf(told))).toEqual({
    reason: 'asks for mem, offers kernel',
    name: 'a\\u202eb',
    count: 1,
  });
});
