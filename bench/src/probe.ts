// Preloaded into nsm commands (node --import): tells the benchmark what the process uses, and ends it with the benchmark.
import { isMainThread } from 'node:worker_threads';

export interface Usage {
  /** Bytes of the whole process, after a garbage collection. */
  readonly rss: number;
  /** Bytes of live JavaScript objects in the main thread. */
  readonly heapUsed: number;
  /** Microseconds of CPU of all threads since the start. */
  readonly cpu: number;
}

if (isMainThread && process.channel) {
  process.on('message', ({ collect }: { readonly collect: boolean }) => {
    const { gc } = globalThis as { readonly gc?: () => void };
    if (collect) for (let turn = 0; turn < 3; turn++) gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    process.send?.({ rss, heapUsed, cpu: user + system } satisfies Usage);
  });
  process.on('disconnect', () => process.exit(1));
  process.channel.unref();
}
