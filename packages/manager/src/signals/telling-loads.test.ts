// Loads go to the registry on a schedule, whatever comes and goes in between.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { expect, it } from 'vitest';
import { keepTellingLoads, type LoadComponents } from './telling-loads.js';

it('a manager tells the loads of its own endpoints, once a period', async () => {
  const told: Record<string, number>[] = [];
  const stopping = new AbortController();
  let load = 0;
  const endpoints = ['node-a', 'node-b'].map((networkServiceHost) => ({
    networkServiceName: 'firewall',
    networkServiceHost,
    nseProviderName: `of-${networkServiceHost}`,
    nseProviderNamespace: 'default',
  })) as NetworkServiceEndpoint[];
  const slept: number[] = [];
  await keepTellingLoads({
    self: { name: 'node-a' },
    registry: {
      synced: true,
      endpoints: () => endpoints,
      tellLoads: async (loads: ReadonlyMap<string, number>) => {
        told.push(Object.fromEntries(loads));
        if (told.length === 1) throw new Error('away');
      },
    },
    connections: { countOf: () => load },
    clock: {
      random: () => 0.5,
      sleep: async (delayMs: number) => {
        slept.push(delayMs);
        load += 100;
        if (slept.length === 4) stopping.abort();
      },
    },
    logger: { warn: () => undefined },
    stopping: stopping.signal,
  } as unknown as LoadComponents);
  expect(told).toEqual([100, 200, 300].map((count) => ({ 'firewall/default/of-node-a': count })));
  expect(slept).toEqual([15_000, 15_000, 15_000, 15_000]);
});
