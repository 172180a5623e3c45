// How the other node is reached.
import { type forwarder as fw, NsmError } from '@nsm/api';
import type { Link, RouteLookup, RouteSocket } from '@nsm/netlink';
import { isShared, type Taken } from './other-owners.js';
import type { TunnelKind } from './tunnel-kind.js';

/** ARPHRD_ETHER, linux/if_arp.h. */
const ethernet = 1;

/** Two ends of tunnels, by underlay address. */
export type Ends = Pick<fw.TunnelEnd, 'local' | 'remote'>;

export interface Way {
  /** Index of the device to send by. */
  readonly uplink: number;
  /** The other node's MAC address there is known, where its frames have no IP address to be known by. */
  readonly senderKnown: boolean;
  /** Somebody else on this node may want packets of that kind. */
  readonly shared: boolean;
}

/** Why a kind cannot go that way; '' when it can. */
export function obstacle(kind: TunnelKind, route: RouteLookup, uplink: Link | undefined): string {
  if (route.type !== 'unicast') return `the route to the other node is of type ${route.type}`;
  if (uplink?.hardwareType !== ethernet) return `${uplink?.name ?? 'the uplink'} is no Ethernet device`;
  if (kind.needsLink && route.gateway !== undefined)
    return `the other node is behind router ${route.gateway}`;
  return '';
}

/**
 * @param taken by the kernel's devices in the node's namespace.
 * @throws NetlinkError when there is no route, NsmError when the kind cannot go that way.
 */
export function wayTo(
  socket: RouteSocket,
  { remote }: Ends,
  kind: TunnelKind,
  taken: ReadonlySet<Taken>,
): Way {
  const route = socket.routeTo(remote);
  const link = socket.link(route.device);
  const why = obstacle(kind, route, link);
  if (why || !link) throw new NsmError('dataplane', `no such tunnel to ${remote}: ${why}`);
  const uplink = link.index;
  const shared = isShared(kind, link, taken);
  const senderKnown = kind.needsLink === true && socket.neighbour(remote, uplink)?.mac !== undefined;
  return { uplink, senderKnown, shared };
}

export function sameWay(a: Way, b: Way): boolean {
  return a.uplink === b.uplink && a.senderKnown === b.senderKnown && a.shared === b.shared;
}
