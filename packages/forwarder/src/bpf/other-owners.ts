// Who else on the node may want packets like those of our tunnels. For UDP the program itself looks for a socket.
import { readFileSync } from 'node:fs';
import type { Link, RouteSocket } from '@nsm/netlink';
import type { TunnelKind } from './tunnel-kind.js';

const greDevices: readonly string[] = ['gre', 'gretap', 'erspan', 'ip6gre', 'ip6gretap', 'ip6erspan'];

/** Whether the kernel or somebody's device takes what belongs to no tunnel of ours of this kind. */
export function isShared({ port, needsLink }: TunnelKind, socket: RouteSocket, uplink: Link): boolean {
  if (port !== undefined) return false;
  if (needsLink) return routesLabels(uplink.name);
  return greDevices.some((kind) => socket.links({ kind }).some(({ up }) => up));
}

/** Whether the kernel is set to forward MPLS that comes in there; it has no such setting without support for MPLS. */
function routesLabels(device: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/mpls/conf/${device}/input`, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
