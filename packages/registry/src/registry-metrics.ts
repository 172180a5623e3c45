// All metrics of a registry that is a process of its own.
import type { CallListener } from '@nsm/api';
import type { Counting } from '@nsm/observe';
import type { Registry } from './registry.js';

export const registryMetrics = {
  calls: {
    type: 'counter',
    name: 'nsm_registry_calls_total',
    help: 'Calls of managers by method, watches left out, and the error code of those that failed.',
    labels: ['method', 'code'],
  },
  callTime: {
    type: 'histogram',
    name: 'nsm_registry_call_duration_seconds',
    help: 'Time from the arrival of a call to its answer: of a write, until the store has it.',
    labels: ['method'],
    buckets: 'steps',
  },
  managers: {
    type: 'gauge',
    name: 'nsm_registry_managers',
    help: 'Managers that are registered, and whether they are alive.',
    labels: ['alive'],
  },
  endpoints: {
    type: 'gauge',
    name: 'nsm_registry_endpoints',
    help: 'Network services that endpoints of all managers provide.',
  },
  synced: {
    type: 'gauge',
    name: 'nsm_registry_synced',
    help: '1 while the store answers.',
  },
} as const;

/** @param onCall is told who hears of each call that has ended. */
export const countRegistry =
  (
    registry: Pick<Registry, 'managers' | 'endpoints' | 'synced'>,
    onCall: (listener: CallListener) => void,
  ): Counting =>
  (counted) => {
    const meters = counted.meters(registryMetrics);
    counted.beforeEach(() => {
      const managers = [...registry.managers().values()];
      const alive = managers.filter((manager) => manager.alive).length;
      meters.managers.set({ alive: 'yes' }, alive);
      meters.managers.set({ alive: 'no' }, managers.length - alive);
      meters.endpoints.set([...registry.endpoints()].length);
      meters.synced.set(registry.synced ? 1 : 0);
    });
    onCall(({ method, tookMs, error }) => {
      meters.calls.inc({ method, code: error?.code ?? '' });
      meters.callTime.observe({ method }, tookMs / 1000);
    });
  };
