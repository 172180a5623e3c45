// What the packets of a cross-connect need on this node, and what of it is not so.
import { type forwarder as fw, traitsOf } from '@nsm/api';
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import { nodeEndName } from '../bpf/node-end.js';
import { OpenPort, peersOf } from '../port/open-port.js';
import type { Side } from '../port/wiring.js';
import { tunnelKinds } from '../tunnels/kinds.js';

/** Such as "eth0 is down"; none when all is as it should be. */
export function findFaults(node: RouteSocket, crossConnect: fw.CrossConnect): string[] {
  return [
    ...faultsOfPod('client', crossConnect),
    ...faultsOfPod('endpoint', crossConnect),
    ...faultsOfNode(node, crossConnect),
  ];
}

function faultsOfPod(side: Side, { id, [side]: port, tunnel }: fw.CrossConnect): string[] {
  if (!port || !traitsOf(port.type).hasDevice) return [];
  try {
    using open = new OpenPort(port);
    const link = open.find(id);
    if (!link) return [`the interface ${port.name} of the ${side} is not there`];
    const where = `${link.name} in the ${side}'s pod`;
    if (!link.up) return [`${where} is down`];
    const faults = [];
    if (port.mtu > 0 && link.mtu !== port.mtu)
      faults.push(`${where} has MTU ${link.mtu}, and ${port.mtu} was agreed`);
    // That nobody answers for the other side says no more than that packets get lost.
    for (const peer of peersOf(open)) {
      const way = routeOf(open.socket, peer);
      if (typeof way === 'string') faults.push(`the ${side}'s pod has no way to ${peer}: ${way}`);
      else if (way.device !== link.index)
        faults.push(
          `the ${side}'s pod sends to ${peer} by ${open.socket.link(way.device)?.name ?? `#${way.device}`}`,
        );
    }
    const other = link.data?.kind === 'vxlan' ? link.data : undefined;
    if (other && tunnel && other.remote !== tunnel.remote)
      faults.push(`${where} leads to ${other.remote}, and the other node is ${tunnel.remote}`);
    return faults;
  } catch (error) {
    return [`the ${side}'s pod: ${(error as Error).message}`];
  }
}

function faultsOfNode(node: RouteSocket, { id, tunnel, client, endpoint }: fw.CrossConnect): string[] {
  if (!tunnel) return [];
  const faults = [];
  const end = node.link(nodeEndName(id));
  if (end && !end.up) faults.push(`${end.name}, the node's end of the pod's device, is down`);
  if (!hasAddress(node, tunnel.local))
    faults.push(`${tunnel.local}, where the tunnel ends, is no address of this node`);
  const way = routeOf(node, tunnel.remote);
  if (typeof way === 'string') return [...faults, `there is no way to ${tunnel.remote}: ${way}`];
  const uplink = node.link(way.device);
  if (!uplink?.up) return [...faults, `${uplink?.name ?? 'the uplink'} is down`];
  const hop = way.gateway ?? tunnel.remote;
  if (isUnanswered(node, hop, uplink.index)) faults.push(`nobody answers for ${hop} on ${uplink.name}`);
  const kind = tunnelKinds.find(({ type }) => type === tunnel.type);
  const needed = (client ?? endpoint)?.mtu ?? 0;
  const room = uplink.mtu - (kind?.overhead[tunnel.remote.includes(':') ? 6 : 4] ?? 0);
  if (needed > room)
    faults.push(
      `${uplink.name} has MTU ${uplink.mtu}: with the tunnel's headers packets of ${room} bytes fit, and ${needed} was agreed`,
    );
  return faults;
}

function hasAddress(node: RouteSocket, address: string): boolean {
  return node.addresses().some((own) => own.address.split('/')[0] === address);
}

function routeOf(
  socket: RouteSocket,
  address: string,
): { readonly device: number; readonly gateway?: string | undefined } | string {
  try {
    const route = socket.routeTo(address);
    return route.type === 'unicast' || route.type === 'local' ? route : `a route of type ${route.type}`;
  } catch (error) {
    if (error instanceof NetlinkError) return error.message;
    throw error;
  }
}

function isUnanswered(socket: RouteSocket, address: string, device: number): boolean {
  const state = socket.neighbour(address, device)?.state;
  return state === 'failed' || state === 'incomplete';
}
