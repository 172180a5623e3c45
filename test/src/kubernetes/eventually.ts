// Waiting for what no condition of Kubernetes tells.
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks until the answer is true, for up to `withinMs` milliseconds, 60,000 by default. What cannot be asked yet is asked again. */
export async function eventually(
  what: string,
  ask: () => Promise<boolean>,
  withinMs = 60_000,
): Promise<void> {
  let last: unknown;
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(200))
    try {
      if (await ask()) return;
    } catch (error) {
      last = error;
    }
  throw new Error(`not within ${withinMs / 1000} s: ${what}`, { cause: last });
}
