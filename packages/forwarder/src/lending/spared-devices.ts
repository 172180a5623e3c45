// Devices that the node cannot do without, with the reason for each.
import { IpPrefix, type Link, type RouteSocket } from '@nsm/netlink';

/** Kinds whose devices stand on a lower one and go with it. */
const stacked = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap']);

/** ARPHRD_ETHER, linux/if_arp.h. */
const ethernet = 1;

/**
 * By index: what carries a default route or an underlay address, what that stands on, and what others stand on.
 * @param underlay addresses of this node's ends of tunnels, without prefix length.
 */
export function sparedDevices(node: RouteSocket, underlay: ReadonlySet<string>): ReadonlyMap<number, string> {
  const links = node.links();
  const named = new Map(links.map((link) => [link.index, link]));
  const spared = new Map<number, string>();
  const spare = (index: number | undefined, reason: string): void => {
    const link = index === undefined ? undefined : named.get(index);
    if (!link || spared.has(link.index)) return;
    spared.set(link.index, reason);
    const beneath = `${link.name} stands on it, which ${reason}`;
    if (isStacked(link)) spare(link.linkIndex, beneath);
    for (const { index: port, master } of links) if (master === link.index) spare(port, beneath);
  };
  for (const { destination, type, device, multipath } of node.routes({ table: 'all' })) {
    if (destination !== 'default' || type !== 'unicast') continue;
    for (const index of [device, ...multipath.map((hop) => hop.device)])
      spare(index, 'carries a default route of the node');
  }
  for (const { index, address } of node.addresses()) {
    const { address: bare } = IpPrefix.of(address);
    if (underlay.has(bare)) spare(index, `carries ${bare}, the node's end of tunnels`);
  }
  for (const link of links) {
    if (link.hardwareType !== ethernet) spare(link.index, 'is no Ethernet device');
    const master = link.master === undefined ? undefined : named.get(link.master);
    if (master && !spared.has(link.index)) spared.set(link.index, `belongs to ${master.name}`);
    const lower = isStacked(link) && link.linkIndex !== undefined ? named.get(link.linkIndex) : undefined;
    if (lower && !spared.has(lower.index)) spared.set(lower.index, `carries ${link.name}`);
  }
  return spared;
}

function isStacked({ kind, linkNamespaceId }: Link): boolean {
  return kind !== undefined && stacked.has(kind) && linkNamespaceId === undefined;
}
