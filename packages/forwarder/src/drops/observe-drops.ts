// What becomes of packets on this node that do not get on, within a time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type capture, type forwarder as fw, NsmError } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import { explain } from '../explain.js';
import { validCrossConnect } from '../port/valid-cross-connect.js';
import type { StatisticsReport } from '../statistics/statistics.js';
import { findFaults } from './find-faults.js';
import { KernelDrops } from './kernel-drops.js';

/** Milliseconds: so long the kernel notes every packet that is dropped on the node. */
const longestMs = 10_000;

/** @param statistics reads the counters of the cross-connect. */
export async function observeDrops(
  node: RouteSocket,
  { crossConnect: wanted, durationMs }: fw.ObserveDropsRequest,
  statistics: () => Partial<StatisticsReport>,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof capture.DropsSeenSchema>> {
  if (!wanted) throw new NsmError('invalid', 'no cross-connect is named');
  const crossConnect = validCrossConnect(wanted);
  const counters = (): Readonly<Record<string, bigint>> => {
    try {
      return statistics().drops ?? {};
    } catch {
      // That an interface is not there is among the faults.
      return {};
    }
  };
  const before = counters();
  using drops = new KernelDrops();
  await sleep(Math.min(durationMs, longestMs), undefined, { signal }).catch(() => undefined);
  const counted = Object.entries(counters()).flatMap(([reason, count]) => {
    const more = count - (before[reason] ?? 0n);
    return more > 0n ? [[reason, more] as const] : [];
  });
  try {
    const faults = findFaults(node, crossConnect);
    return {
      kernel: drops.seen(),
      kernelMissing: drops.missing,
      counted: Object.fromEntries(counted),
      faults,
    };
  } catch (error) {
    throw explain(error, crossConnect);
  }
}
