// What a request shows while it takes long.
import type { Output } from '@nsm/output';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ConnectFlags } from './flags.js';
import { showWaiting } from './waiting.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const flags = {} as ConnectFlags;
const drafts: string[] = [];
const terminal = (live: boolean): Pick<Output, 'live' | 'json' | 'draft' | 'clear'> => ({
  live,
  json: false,
  draft: (text) => drafts.push(text),
  clear: () => drafts.push('cleared'),
});

it('the line of a waiting request is empty at first, then says what it waits for, and is empty at the end', async () => {
  const waiting = showWaiting(terminal(true), 'vpn', flags, async () => 'no endpoint');
  await vi.advanceTimersByTimeAsync(1900);
  expect(drafts).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(drafts).toEqual([expect.stringMatching(/^waits for vpn for \d+ s: no endpoint$/)]);
  waiting[Symbol.dispose]();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(drafts.slice(1)).toEqual(['cleared']);
});

it('the manager is not asked for that line where no terminal shows it', async () => {
  const whatFor = vi.fn(async () => 'anything');
  using _waiting = showWaiting(terminal(false), 'vpn', flags, whatFor);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(whatFor).not.toHaveBeenCalled();
});
