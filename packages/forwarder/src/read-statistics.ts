// The counters of one connection, read where they are: from its tunnel, its shared memory, or its device.
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import { nodeEndName } from './bpf/node-end.js';
import type { TunnelEngine } from './bpf/tunnel-engine.js';
import type { SharedEngine } from './interfaces/shared/shared-engine.js';
import { OpenPort } from './open-port.js';
import {
  beforeShared,
  type StatisticsReport,
  statisticsOf,
  statisticsOfDevice,
  statisticsOfShared,
  statisticsOfSharedTunnel,
} from './statistics.js';

/** @throws NsmError `invalid` when no port is named, `not-found` when there is nothing that counts its packets. */
export function readStatistics(
  node: RouteSocket,
  { tunnels, shared: engine }: { readonly tunnels: TunnelEngine; readonly shared: SharedEngine },
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
  if (!traitsOf(port.type).hasDevice) {
    if (shared) return statisticsOfShared(shared);
    throw new NsmError('not-found', 'shared memory passes the forwarder by: its packets are not counted');
  }
  using open = new OpenPort(port);
  const { statistics, kind } = open.find(id) ?? {};
  if (!statistics) throw new NsmError('not-found', `no interface of ${id} in netns ${open.namespace.inode}`);
  const report = statisticsOfDevice(statistics, kind, tunnels.refused(id));
  return shared ? beforeShared(report, shared) : report;
}
