// All metrics of a forwarder that is a process of its own; what one in a thread does is told by its manager.
import type { CallListener } from '@nsm/api';
import type { Counting } from '@nsm/observe';

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

/** @param onCall is told who hears of each call that has ended. */
export const countForwarder =
  (onCall: (listener: CallListener) => void): Counting =>
  (counted) => {
    const { calls, callTime } = counted.meters(forwarderMetrics);
    onCall(({ method, tookMs, error }) => {
      calls.inc({ method, code: error?.code ?? '' });
      callTime.observe({ method }, tookMs / 1000);
    });
  };
