// Counters of tunnels and devices as the forwarder reports them.
import type { forwarder as fw } from '@nsm/api';
import type { Link, LinkStatistics } from '@nsm/netlink';
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

/**
 * Seen from the pod, whose device it is.
 * @param refused what was kept from it.
 */
export function statisticsOfDevice(
  device: LinkStatistics,
  kind: Link['kind'],
  refused?: TunnelTraffic,
): StatisticsReport {
  const guard = refused ? statisticsOf(refused) : undefined;
  // The kernel does not tell why; of a tunnel's device there are two reasons.
  const unsent = kind === 'vxlan' ? 'sent, too large or without a way' : 'sent, by the device';
  const byDevice = {
    [unsent]: BigInt(device.txDropped),
    'received, by the device': BigInt(device.rxDropped),
  };
  return {
    receivedPackets: BigInt(device.rxPackets),
    receivedBytes: BigInt(device.rxBytes),
    receivedDrops: BigInt(device.rxDropped) + (guard?.receivedDrops ?? 0n),
    sentPackets: BigInt(device.txPackets),
    sentBytes: BigInt(device.txBytes),
    sentDrops: BigInt(device.txDropped),
    drops: {
      ...guard?.drops,
      ...Object.fromEntries(Object.entries(byDevice).filter(([, count]) => count > 0n)),
    },
  };
}

type Drops = ReadonlyMap<string, bigint>;

function total(drops: Drops): bigint {
  return [...drops.values()].reduce((sum, count) => sum + count, 0n);
}

function named(where: string, drops: Drops): [string, bigint][] {
  return [...drops].map(([reason, count]) => [`${where}, ${reason}`, count]);
}
