// What every daemon tells of its process.
import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Counting } from './metrics.js';

export const processMetrics = {
  build: {
    type: 'gauge',
    name: 'nsm_process_build_info',
    help: 'Always 1; the labels say what runs here.',
    labels: ['component', 'version', 'node'],
  },
  start: {
    type: 'gauge',
    name: 'nsm_process_start_time_seconds',
    help: 'When the process began, in seconds since the Unix epoch.',
  },
  loopLag: {
    type: 'gauge',
    name: 'nsm_process_event_loop_lag_seconds',
    help: 'By how much timers of the main thread were late since the metrics were read before: how long a call waits before anything is done for it.',
    labels: ['percentile'],
  },
  memory: {
    type: 'gauge',
    name: 'nsm_process_resident_memory_bytes',
    help: 'Memory that the process has in use, all of its threads.',
  },
  cpu: {
    type: 'counter',
    name: 'nsm_process_cpu_seconds_total',
    help: 'Processor time that the process has used, all of its threads.',
  },
  descriptors: {
    type: 'gauge',
    name: 'nsm_process_open_descriptors',
    help: 'Files, sockets and namespaces that the process has open.',
  },
} as const;

/** Milliseconds between two looks at whether the event loop is late. */
const resolutionMs = 20;

/** @param component what runs here, such as `manager`. */
export const countProcess =
  (component: string, version: string): Counting =>
  (counted) => {
    const meters = counted.meters(processMetrics);
    meters.build.set({ component, version, node: process.version }, 1);
    meters.start.set(Date.now() / 1000 - process.uptime());
    const lag = monitorEventLoopDelay({ resolution: resolutionMs });
    lag.enable();
    let usedSoFar = 0;
    counted.beforeEach(() => {
      const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000);
      // Before its first measurement it knows no time.
      for (const percentile of [50, 99, 100])
        meters.loopLag.set({ percentile: String(percentile) }, late(lag.percentile(percentile)));
      lag.reset();
      meters.memory.set(process.memoryUsage.rss());
      const { user, system } = process.cpuUsage();
      const used = (user + system) / 1e6;
      meters.cpu.inc(used - usedSoFar);
      usedSoFar = used;
      meters.descriptors.set(readdirSync('/proc/self/fd').length);
    });
  };
