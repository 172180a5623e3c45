// Progress: plain lines for a file, a moving line for a terminal.
import { Output } from '@nsm/output';
import { expect, it, vi } from 'vitest';
import { Progress } from './progress.js';

it('progress is one line a step, with what came of it and how long it took', async () => {
  let text = '';
  let now = 0;
  const progress = new Progress(new Output(false, { write: (more) => (text += more) }), () => now);
  await progress.step('one', () => {
    now = 12;
  });
  await progress.step(
    'two',
    () => 3,
    (value) => `${value} things`,
  );
  await expect(progress.step('three', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(text).toBe('✓ one (12.00 ms)\n✓ two: 3 things (0 µs)\n× three\n');
});

it('progress moves on a terminal and leaves one clean line', async () => {
  vi.useFakeTimers();
  let text = '';
  const progress = new Progress(new Output(false, { write: (more) => (text += more), isTTY: true }), () => 0);
  await progress.step('one', () => vi.advanceTimersByTimeAsync(200));
  vi.useRealTimers();
  expect(text.split('\r\x1b[2K').length).toBeGreaterThan(3);
  expect(text.split('\r\x1b[2K').at(-1)?.startsWith('\x1b[32m✓\x1b[39m one ')).toBe(true);
});
