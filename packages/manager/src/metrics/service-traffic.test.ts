// What connections carry, by service: counters that only grow, whatever becomes of connections and of their devices.
import { Metrics } from '@nsm/observe';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../state/connection.js';
import { managerMetrics } from './manager-metrics.js';
import { ServiceTraffic } from './service-traffic.js';

type Counters = { readonly packets: bigint; readonly drops?: Readonly<Record<string, bigint>> };

function trafficOf(counters: Map<string, Counters | undefined>, clock = { ms: 0, perReading: 0 }) {
  const metrics = new Metrics();
  const connections = {
    values: () =>
      [...counters.keys()]
        .map((id) => {
          const [service] = id.split(' ');
          return { id, service, crossConnect: { id } } as unknown as Connection;
        })
        [Symbol.iterator]() as IterableIterator<Connection>,
  };
  const forwarder = {
    getStatistics: async ({ crossConnect }: { crossConnect?: { id?: string } }) => {
      const read = counters.get(crossConnect?.id ?? '');
      clock.ms += clock.perReading;
      if (!read) throw new Error('no interface');
      const { packets, drops = {} } = read;
      return { receivedPackets: packets, receivedBytes: 0n, sentPackets: 0n, sentBytes: 0n, drops };
    },
  };
  metrics.add((counted) => {
    const components = { connections, forwarder: forwarder as never, clock: { now: () => clock.ms } };
    const traffic = new ServiceTraffic(components, counted.meters(managerMetrics));
    counted.beforeEach(() => traffic.read());
  });
  return async (): Promise<string[]> => {
    const { body } = await metrics.text();
    return body.split('\n').filter((line) => line.startsWith('nsm_manager_service_'));
  };
}

const received = (service: string, count: number) =>
  `nsm_manager_service_packets_total{service="${service}",direction="received"} ${count}`;

describe('the traffic of a service', () => {
  it('is that of its connections, those that have ended too', async () => {
    const counters = new Map<string, Counters | undefined>([
      ['echo 1', { packets: 10n }],
      ['echo 2', { packets: 5n }],
    ]);
    const read = trafficOf(counters);
    expect(await read()).toEqual([received('echo', 15)]);
    counters.delete('echo 2');
    counters.set('echo 1', { packets: 12n });
    expect(await read()).toEqual([received('echo', 17)]);
    // Healed: without an interface for a while, and then by a device that counts from the start.
    counters.set('echo 1', undefined);
    expect(await read()).toEqual([received('echo', 17)]);
    counters.set('echo 1', { packets: 4n });
    expect(await read()).toEqual([received('echo', 21)]);
    // Of a service without a connection nothing is left.
    counters.clear();
    expect(await read()).toEqual([]);
  });

  it('is read a tenth of the time at most, however often somebody asks', async () => {
    const clock = { ms: 0, perReading: 20 };
    const counters = new Map<string, Counters>([['echo 1', { packets: 1n }]]);
    const read = trafficOf(counters, clock);
    await read();
    counters.set('echo 1', { packets: 2n });
    clock.ms += 179;
    expect(await read()).toEqual([received('echo', 1)]);
    clock.ms += 1;
    expect(await read()).toEqual([received('echo', 2)]);
  });

  it('has drops by reason, but not those of the whole node', async () => {
    const drops = {
      'received, wrong source address': 2n,
      'sent, too large or without a way': 3n,
      'received by the whole node, unknown tunnel': 99n,
    };
    const read = trafficOf(new Map([['echo 1', { packets: 0n, drops }]]));
    expect(await read()).toEqual([
      'nsm_manager_service_drops_total{service="echo",direction="received",reason="wrong source address"} 2',
      'nsm_manager_service_drops_total{service="echo",direction="sent",reason="too large or without a way"} 3',
    ]);
  });

  it('of more services than are told apart is summed up', async () => {
    const counters = new Map<string, Counters>();
    for (let n = 0; n < 300; n++) counters.set(`s${n} 1`, { packets: 1n });
    const lines = await trafficOf(counters)();
    expect(lines).toHaveLength(101);
    expect(lines).toContain(received('all others', 200));
  });
});
