// All metrics of a forwarder that is a process of its own; what one in a thread does is told by its manager.
import type { CallListener } from '@nsm/api';
import type { Metrics } from '@nsm/observe';

export const forwarderMetrics = {
  calls: {
    type: 'counter',
    name: 'nsm_forwarder_calls_total',
    help: 'Calls of the manager by method, and the error code of those that failed.',
    labels: ['method', 'code'],
  },
  callTime: {
    type: 'histogram',
    name: 'nsm_forwarder_call_duration_seconds',
    help: 'Time from the arrival of a call to its answer.',
    labels: ['method'],
    buckets: 'steps',
  },
} as const;

/** @returns hears of each call that has ended. */
export function measureForwarder(metrics: Metrics): CallListener {
  const { calls, callTime } = metrics.meters(forwarderMetrics);
  return ({ method, tookMs, error }) => {
    calls.inc({ method, code: error?.code ?? '' });
    callTime.observe({ method }, tookMs / 1000);
  };
}
