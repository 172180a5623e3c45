// A worker thread that loads what a forwarder needs, and waits. By itself, so that it can be begun before anything else is loaded.
import { Worker } from 'node:worker_threads';

/** It ends when it is told no more: `startForwarderThread` takes it over, or `terminate()`. */
export function loadForwarderThread(): Worker {
  return new Worker(new URL('./forwarder-worker.js', import.meta.url));
}
