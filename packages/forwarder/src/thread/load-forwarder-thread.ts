// A worker thread that loads what a forwarder needs, and waits. By itself, so that it can be begun before anything else is loaded.
import { once } from 'node:events';
import { access } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { within } from '@nsm/api';

/** MiB for what lives shortly: nearly all that a request makes. Without a limit loading alone makes it four times as large, for good. */
const youngMiB = 3;

/** It waits for `startForwarderThread`. @throws Error ERR_WORKER_INIT_FAILED where there are no more threads. */
export function loadForwarderThread(): Worker {
  // Node.js makes the threads of its pool when it first needs them, and ends without a word when it cannot: they come first.
  access('/', () => undefined);
  return new Worker(new URL('./forwarder-worker.js', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: youngMiB },
  });
}

/** Milliseconds for a thread to load to its end: most of it some ten. */
const loadWithinMs = 3000;

/**
 * Ends a thread that `startForwarderThread` was not asked to use; one that has ended already is left alone. A process that ends while a
 * thread of it loads native code is aborted by that code, with a status and words of its own.
 */
export async function endForwarderThread(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return;
  const ended = once(worker, 'exit');
  worker.postMessage(undefined);
  await within(loadWithinMs, ended, () => undefined);
}
