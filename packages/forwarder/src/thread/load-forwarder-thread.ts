// A worker thread that loads what a forwarder needs, and waits. By itself, so that it can be begun before anything else is loaded.
import { access } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** It waits for `startForwarderThread`. @throws Error ERR_WORKER_INIT_FAILED where there are no more threads. */
export function loadForwarderThread(): Worker {
  // Node.js makes the threads of its pool when it first needs them, and ends without a word when it cannot: they come first.
  access('/', () => undefined);
  return new Worker(new URL('./forwarder-worker.js', import.meta.url));
}
