// Who else on the node may want packets like those of our tunnels. A program's socket the eBPF program finds by itself.
import { readFileSync } from 'node:fs';
import type { Link } from '@nsm/netlink';
import type { TunnelKind } from './tunnel-kind.js';

const greKinds: ReadonlySet<string> = new Set([
  'gre',
  'gretap',
  'erspan',
  'ip6gre',
  'ip6gretap',
  'ip6erspan',
]);

/** What devices of the kernel take: GRE, or what comes to a UDP port. */
export type Taken = 'gre' | number;

/** What a device takes for the kernel; undefined: no tunnels. */
export function takenBy({ kind, up, data }: Link): Taken | undefined {
  if (!up || kind === undefined) return undefined;
  if (greKinds.has(kind)) return 'gre';
  return data?.kind === 'vxlan' ? data.port : undefined;
}

/**
 * Whether the kernel or a device beside the mesh takes packets of this kind that belong to no tunnel of ours.
 * @param taken kinds that devices in the node's namespace take.
 */
export function isShared({ port, needsLink }: TunnelKind, uplink: Link, taken: ReadonlySet<Taken>): boolean {
  return needsLink ? routesLabels(uplink.name) : taken.has(port ?? 'gre');
}

/** Whether the kernel is set to forward MPLS that comes in there; a kernel without support for MPLS has no such setting. */
function routesLabels(device: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/mpls/conf/${device}/input`, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
