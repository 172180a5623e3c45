// The node reaches other nodes past its own connections: by host routes, where a route of a connection would take what it sends.
import { createHash } from 'node:crypto';
import type { forwarder as fw } from '@nsm/api';
import { IpPrefix, type RouteSocket } from '@nsm/netlink';
import { firstKeeperMetric, keepRoutes } from '../pod/keep-routes.js';

/** @returns the addresses that have a host route now. @throws NetlinkError */
export function keepUnderlayRoutes(
  socket: RouteSocket,
  { idPrefix, addresses, interfaces }: Pick<fw.KeepWaysRequest, 'idPrefix' | 'addresses' | 'interfaces'>,
): string[] {
  const connections = new Set(interfaces.flatMap((name) => socket.link(name)?.index ?? []));
  const main = socket.routes({ table: 'main' }).filter(({ type }) => type === 'unicast');
  const { kept } = keepRoutes(socket, main, {
    destinations: addresses.map(IpPrefix.ofAddress),
    metric: firstKeeperMetric + createHash('sha256').update(idPrefix).digest().readUInt8(),
    isTheirs: ({ device }) => device !== undefined && connections.has(device),
    // A rule may lead it past all of this.
    isTaken: ({ address }) => isTaken(socket, address, connections),
  });
  return kept.map(({ address }) => address);
}

function isTaken(socket: RouteSocket, address: string, connections: ReadonlySet<number>): boolean {
  try {
    return connections.has(socket.routeTo(address).device);
  } catch {
    // The node has no route to the address.
    return false;
  }
}
