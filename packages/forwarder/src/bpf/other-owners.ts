// Who else on the node may want packets like those of our tunnels. For UDP the program itself looks for a socket.
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

/** Whether a device takes GRE packets for the kernel. */
export function isGreDevice({ kind, up }: Link): boolean {
  return up && kind !== undefined && greKinds.has(kind);
}

/**
 * Whether the kernel or somebody's device takes what belongs to no tunnel of ours of this kind.
 * @param greDevices whether there is any.
 */
export function isShared({ port, needsLink }: TunnelKind, uplink: Link, greDevices: boolean): boolean {
  if (port !== undefined) return false;
  return needsLink ? routesLabels(uplink.name) : greDevices;
}

/** Whether the kernel is set to forward MPLS that comes in there; it has no such setting without support for MPLS. */
function routesLabels(device: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/mpls/conf/${device}/input`, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
