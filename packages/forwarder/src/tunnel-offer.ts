// What tunnels this node can make towards another: underlay address, MTU and port for each kind.
import { isIPv6 } from 'node:net';
import { NsmError, type TunnelType } from '@nsm/api';
import type { RouteSocket } from '@nsm/netlink';
import type { Wiring } from './wiring.js';

export interface TunnelOffer {
  readonly type: TunnelType;
  readonly parameters: { readonly address: string; readonly mtu: number; readonly port: number };
}

/**
 * @param remote underlay address of the other node.
 * @param local this node's underlay address; '' takes the one that the kernel routes with.
 * @throws NetlinkError when there is no route.
 */
export function offerTunnels(
  socket: RouteSocket,
  wirings: readonly Wiring[],
  remote: string,
  local: string,
): TunnelOffer[] {
  const route = socket.routeTo(remote);
  const address = local || route.source;
  if (!address) throw new NsmError('dataplane', `the kernel names no source address towards ${remote}`);
  const uplink = socket.link(route.device);
  const underlayMtu = route.mtu ?? uplink?.mtu ?? 1500;
  const offered = new Set<TunnelType>();
  const version = isIPv6(remote) ? 6 : 4;
  return wirings.flatMap((wiring) => {
    // The first engine of a kind serves it.
    if (wiring.tunnel === undefined || !wiring.overhead || offered.has(wiring.tunnel)) return [];
    if (wiring.obstacle?.(route, uplink)) return [];
    offered.add(wiring.tunnel);
    const mtu = underlayMtu - wiring.overhead[version];
    return [{ type: wiring.tunnel, parameters: { address, mtu, port: wiring.port ?? 0 } }];
  });
}
