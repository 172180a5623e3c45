// Whoever looks does not wait for a forwarder that hangs: that may be what is to be seen.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';

/** Milliseconds. */
const patienceMs = 2000;

/** @throws NsmError `unavailable` */
export async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(patienceMs, undefined, { signal: timer.signal }).then(() => {
    throw new NsmError(
      'unavailable',
      `the forwarder of this node has not answered for ${patienceMs / 1000} s: is it stopped, or overloaded?`,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}
