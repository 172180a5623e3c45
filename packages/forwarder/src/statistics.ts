// Counters of an eBPF tunnel as the forwarder reports them.
import type { forwarder as fw } from '@nsm/api';
import type { TunnelTraffic } from './bpf/tunnel-maps.js';

export type StatisticsReport = Omit<fw.Statistics, '$typeName' | '$unknown'>;

/** Seen from the pod, whose sending is the tunnel's too. */
export function statisticsOf({ sent, received, strays }: TunnelTraffic): StatisticsReport {
  return {
    receivedPackets: received.packets,
    receivedBytes: received.bytes,
    receivedDrops: total(received.drops),
    sentPackets: sent.packets,
    sentBytes: sent.bytes,
    sentDrops: total(sent.drops),
    drops: Object.fromEntries([
      ...named('sent', sent.drops),
      ...named('received', received.drops),
      ...named('received by the whole node', strays),
    ]),
  };
}

type Drops = ReadonlyMap<string, bigint>;

function total(drops: Drops): bigint {
  return [...drops.values()].reduce((sum, count) => sum + count, 0n);
}

function named(where: string, drops: Drops): [string, bigint][] {
  return [...drops].map(([reason, count]) => [`${where}, ${reason}`, count]);
}
