// The node's end of a pod's veth pair: where the eBPF programs wrap what the pod sends.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { NsmError } from '@nsm/api';
import type { Link, NetworkNamespace, RouteSocket } from '@nsm/netlink';
import { unfinishedGroup } from '../port/device-groups.js';
import type { OpenPort } from '../port/open-port.js';

/** A frame that is not IP passes the node's end a second time, with its tunnel headers. */
const mtu = 65_535;
const pattern = /^nst[0-9a-f]{12}$/;

export function isNodeEnd(name: string): boolean {
  return pattern.test(name);
}

/** The name follows from the cross-connect's id, so that a restarted forwarder finds the device. */
export function nodeEndName(id: string): string {
  return `nst${createHash('sha256').update(id).digest('hex').slice(0, 12)}`;
}

/** For people, and for finding it again; not the id itself, which the pod's interfaces alone bear. */
export function nodeEndAlias(id: string): string {
  return `tunnel of ${id}`;
}

/** Makes the node's end of a pod that has no device, down: frames that are written to the TAP device come from the pod. */
export function makeTap(socket: RouteSocket, id: string): Link {
  const name = nodeEndName(id);
  // The kernel's largest for a TAP device: 65535 less the Ethernet header.
  socket.addLink({ kind: 'tap', name, mtu: 65_521, alias: nodeEndAlias(id) });
  disableIPv6(name);
  const made = socket.link(name);
  if (!made) throw new NsmError('dataplane', `${name} was deleted as soon as it was made`);
  return { ...made, linkIndex: made.index };
}

/**
 * Makes the pair, each end born where it lives. Both are down.
 * @param home the node's namespace.
 * @returns the pod's end. @throws NetlinkError that names it.
 */
export function makePair(home: NetworkNamespace, id: string, pod: OpenPort): Link {
  const end = nodeEndName(id);
  const made = pod.socket.createLink({
    kind: 'veth',
    name: pod.freeName(),
    mac: pod.port.mac,
    mtu: pod.port.mtu,
    group: unfinishedGroup(id),
    peer: { name: end, namespace: home, mtu },
  });
  disableIPv6(end);
  return made;
}

function disableIPv6(end: string): void {
  try {
    // The kernel would send router solicitations and multicast reports into the pod.
    writeFileSync(`/proc/sys/net/ipv6/conf/${end}/disable_ipv6`, '1');
  } catch {
    // Without IPv6, or where /proc/sys is read-only: the pod ignores them.
  }
}
