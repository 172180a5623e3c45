// A thread that was begun in a pod's network namespace, where its sockets are.
import { parentPort, workerData } from 'node:worker_threads';
import type { BenchStart } from './bench-protocol.js';
import { runEnd } from './run-end.js';
import { serveEnd } from './serve-end.js';

const start = workerData as BenchStart;
const work = start.role === 'serve' ? serveEnd(start) : runEnd(start);
work.then(
  (result) => parentPort?.postMessage({ result }),
  (error: Error) => parentPort?.postMessage({ error: error.message }),
);
