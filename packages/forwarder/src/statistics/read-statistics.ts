// The counters of one connection, read where they are: from its tunnel, its shared memory, or its device.
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import { nodeEndName } from '../bpf/node-end.js';
import type { SourceFilters } from '../bpf/source-filters.js';
import type { TunnelEngine } from '../bpf/tunnel-engine.js';
import type { SharedEngine } from '../interfaces/shared/shared-engine.js';
import { OpenPort } from '../port/open-port.js';
import {
  beforeShared,
  type StatisticsReport,
  statisticsOf,
  statisticsOfDevice,
  statisticsOfShared,
  statisticsOfSharedTunnel,
  withForeign,
} from './statistics.js';

/** Who counts packets. */
export interface Counting {
  readonly tunnels: TunnelEngine;
  readonly shared: SharedEngine;
  readonly sources: SourceFilters | undefined;
}

/** @throws NsmError `invalid` when no port is named, `not-found` when there is nothing that counts its packets. */
export function readStatistics(
  node: RouteSocket,
  { tunnels, shared: engine, sources }: Counting,
  crossConnect: fw.CrossConnect | undefined,
): Partial<StatisticsReport> {
  const port = crossConnect?.client ?? crossConnect?.endpoint;
  if (!crossConnect || !port) throw new NsmError('invalid', 'no port is named');
  const { id } = crossConnect;
  const traffic = tunnels.traffic(id);
  const shared = engine.traffic(id);
  if (traffic) {
    const tap = shared && node.link(nodeEndName(id))?.statistics;
    return shared && tap ? statisticsOfSharedTunnel(traffic, shared, tap) : statisticsOf(traffic);
  }
  const [side, other] =
    port === crossConnect.client ? (['client', 'endpoint'] as const) : (['endpoint', 'client'] as const);
  const sent = sources?.refused(id, side) ?? 0n;
  const received = sources?.refused(id, other) ?? 0n;
  if (!traitsOf(port.type).hasDevice) {
    // The other pod's device counts the packets, too, that are kept from the shared memory.
    if (shared) return withForeign(statisticsOfShared(shared), { sent, received: engine.refused(id) });
    throw new NsmError('not-found', 'shared memory passes the forwarder by: its packets are not counted');
  }
  using open = new OpenPort(port);
  const { statistics, kind } = open.find(id) ?? {};
  if (!statistics) throw new NsmError('not-found', `no interface of ${id} in netns ${open.namespace.inode}`);
  const report = withForeign(statisticsOfDevice(statistics, kind, tunnels.refused(id)), { sent, received });
  return shared ? beforeShared(report, shared) : report;
}
