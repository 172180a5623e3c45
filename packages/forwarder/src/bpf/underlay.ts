// How the other node is reached, and which devices its packets may come in by.
import { type forwarder as fw, NsmError } from '@nsm/api';
import type { Link, RouteLookup, RouteSocket } from '@nsm/netlink';
import type { TunnelKind } from './tunnel-kind.js';

/** ARPHRD_ETHER, linux/if_arp.h. */
const ethernet = 1;

/** Why a kind cannot go that way; '' when it can. */
export function obstacle(kind: TunnelKind, route: RouteLookup, uplink: Link | undefined): string {
  if (route.type !== 'unicast') return `the route to the other node is of type ${route.type}`;
  if (uplink?.hardwareType !== ethernet) return `${uplink?.name ?? 'the uplink'} is no Ethernet device`;
  if (kind.needsLink && route.gateway !== undefined)
    return `the other node is behind router ${route.gateway}`;
  return '';
}

/** @throws NetlinkError when there is no route, NsmError when the kind cannot go that way. */
export function wayTo(
  socket: RouteSocket,
  { local, remote }: fw.TunnelEnd,
  kind: TunnelKind,
): { readonly uplink: number; readonly devices: readonly number[] } {
  const route = socket.routeTo(remote);
  const why = obstacle(kind, route, socket.link(route.device));
  if (why) throw new NsmError('dataplane', `no such tunnel to ${remote}: ${why}`);
  const devices = new Set([route.device]);
  if (!kind.needsLink) {
    // Packets may come back another way: by another next hop, or where our address is.
    for (const { device } of route.match.multipath) if (device !== undefined) devices.add(device);
    const own = socket.addresses().find(({ address }) => address.split('/')[0] === local);
    if (own) devices.add(own.index);
  }
  return {
    uplink: route.device,
    devices: [...devices].filter((device) => socket.link(device)?.hardwareType === ethernet),
  };
}
