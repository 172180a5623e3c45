// Counters of tunnels and devices as the forwarder reports them.
import type { forwarder as fw } from '@nsm/api';
import type { Link, LinkStatistics } from '@nsm/netlink';
import { notOwn, type TunnelTraffic } from '../bpf/tunnel-counters.js';
import type { SharedTraffic } from '../interfaces/shared/shared-engine.js';

export type StatisticsReport = Omit<fw.Statistics, '$typeName' | '$unknown'>;

/** Seen from the pod, whose sending is the tunnel's too. */
export function statisticsOf({ sent, received, unmatched }: TunnelTraffic): StatisticsReport {
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
      ...named('received by the whole node', unmatched),
    ]),
  };
}

/** Seen from the pod with the shared memory, whose other side is a device in another pod. */
export function statisticsOfShared({ sent, received, unheard }: SharedTraffic): StatisticsReport {
  return {
    receivedPackets: received.packets,
    receivedBytes: received.bytes,
    receivedDrops: received.drops + unheard,
    sentPackets: sent.packets,
    sentBytes: sent.bytes,
    sentDrops: sent.drops,
    drops: someOf({
      'sent, not a frame': sent.drops,
      'received, too large': received.drops,
      'received, not taken by the pod': unheard,
    }),
  };
}

/** The counters of a device whose other side is shared memory in another pod: some of its packets do not reach that pod. */
export function beforeShared(
  report: StatisticsReport,
  { sent, received, unheard }: SharedTraffic,
): StatisticsReport {
  return {
    ...report,
    receivedDrops: report.receivedDrops + sent.drops,
    sentDrops: report.sentDrops + received.drops + unheard,
    drops: {
      ...report.drops,
      ...someOf({
        'sent, too large': received.drops,
        'sent, not taken by the pod': unheard,
        'received, not a frame': sent.drops,
      }),
    },
  };
}

/**
 * Seen from the pod with the shared memory, at the end of a tunnel. Packets of the tunnel have yet to get to the pod: the device
 * between them drops, without telling, what the pod's application does not take, and all while there is no application.
 * @param tap the device's counters, read after the tunnel's.
 */
export function statisticsOfSharedTunnel(
  tunnel: TunnelTraffic,
  { sent, received, unheard }: SharedTraffic,
  tap: LinkStatistics,
): StatisticsReport {
  const report = statisticsOf(tunnel);
  const [read, readBytes] = [BigInt(tap.txPackets), BigInt(tap.txBytes)];
  const untaken = larger(report.receivedPackets - read, 0n) + unheard;
  return {
    ...report,
    receivedPackets: larger(read - received.drops - unheard, 0n),
    receivedBytes: readBytes,
    receivedDrops: report.receivedDrops + received.drops + untaken,
    sentDrops: report.sentDrops + sent.drops,
    drops: {
      ...report.drops,
      ...someOf({
        'sent, not a frame': sent.drops,
        'received, too large': received.drops,
        'received, not taken by the pod': untaken,
      }),
    },
  };
}

/**
 * Seen from the pod that has the device.
 * @param refused packets that were kept from the device.
 */
export function statisticsOfDevice(
  device: LinkStatistics,
  kind: Link['kind'],
  refused?: TunnelTraffic,
): StatisticsReport {
  const guard = refused ? statisticsOf(refused) : undefined;
  // The kernel does not tell why; of a tunnel's device there are two reasons. Incoming packets that it calls dropped were received,
  // and no protocol of the pod wanted them (Documentation/networking/statistics.rst).
  const unsent = kind === 'vxlan' ? 'sent, too large or without a way' : 'sent, by the device';
  const byDevice = {
    [unsent]: BigInt(device.txDropped),
    'received, not processed by the pod': BigInt(device.rxDropped),
  };
  return {
    receivedPackets: BigInt(device.rxPackets),
    receivedBytes: BigInt(device.rxBytes),
    receivedDrops: BigInt(device.rxDropped) + (guard?.receivedDrops ?? 0n),
    sentPackets: BigInt(device.txPackets),
    sentBytes: BigInt(device.txBytes),
    sentDrops: BigInt(device.txDropped),
    drops: { ...guard?.drops, ...someOf(byDevice) },
  };
}

/** @param foreign packets of a connection on one node that were not from the sender's own address. */
export function withForeign(
  report: StatisticsReport,
  foreign: { readonly sent: bigint; readonly received: bigint },
): StatisticsReport {
  return {
    ...report,
    sentDrops: report.sentDrops + foreign.sent,
    receivedDrops: report.receivedDrops + foreign.received,
    drops: {
      ...report.drops,
      ...someOf({
        [`sent, ${notOwn}`]: foreign.sent,
        [`received, ${notOwn}`]: foreign.received,
      }),
    },
  };
}

/** Those that there are. */
function someOf(drops: Readonly<Record<string, bigint>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(drops).filter(([, count]) => count > 0n));
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

type Drops = ReadonlyMap<string, bigint>;

function total(drops: Drops): bigint {
  return [...drops.values()].reduce((sum, count) => sum + count, 0n);
}

function named(where: string, drops: Drops): [string, bigint][] {
  return [...drops].map(([reason, count]) => [`${where}, ${reason}`, count]);
}
