// A time limit outlives garbage collections, also within a signal made of the signal.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { deadline } from './deadline.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Weakly held objects are kept until the present turn is over. */
async function afterCollections(): Promise<void> {
  for (let n = 0; n < 2; n++) {
    await sleep(5);
    collectGarbage();
  }
}

describe('deadline', () => {
  const never = new AbortController().signal;

  it.each([
    ['by itself', () => deadline(100)],
    ['beside another signal', () => deadline(100, never)],
    ['in a signal made of it', () => AbortSignal.any([never, deadline(100, never)])],
  ])('ends what waits, %s', async (_, make) => {
    const signal = make();
    const ended = once(signal, 'abort');
    await afterCollections();
    // The timer of a signal keeps no process alive.
    const awake = setInterval(() => undefined, 10);
    await ended;
    clearInterval(awake);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  it('ends when another signal does, for the reason of that', () => {
    const other = new AbortController();
    const signal = deadline(60_000, other.signal);
    other.abort(new Error('enough'));
    expect(signal.reason).toMatchObject({ message: 'enough' });
  });
});
