// The floor in the kernel: exactly the devices and settings a connection has, by the fewest requests that make them.
import { openNamespace, RouteSocket } from '@nsm/netlink';

/** One pod's end of a connection. */
export interface End {
  /** Path of the pod's namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly mac: string;
  readonly address: string;
  readonly peerAddress: string;
}

export interface Vxlan {
  readonly id: number;
  readonly local: string;
  readonly remote: string;
}

export type Job =
  | { readonly kind: 'veth'; readonly alias: string; readonly client: End; readonly endpoint: End }
  | {
      readonly kind: 'vxlan';
      readonly alias: string;
      readonly end: End;
      readonly tunnel: Vxlan;
      readonly resolve: boolean;
    }
  | { readonly kind: 'delete'; readonly removals: readonly Removal[] };

/** A device to delete. */
export interface Removal extends Pick<End, 'namespace' | 'name'> {
  readonly kind: 'veth' | 'vxlan';
}

const vethMtu = 1500;
const vxlanMtu = 1450;
/** The same as the forwarder's, so that nothing differs but the number; no device stays in it. */
const removalGroup = 0x6e736d01;
/** Milliseconds for which a neighbour may take to answer. */
const patienceMs = 3000;

/** @param node socket in the node's own namespace, where the sockets of tunnels are. */
export function work(job: Job, node: RouteSocket): void {
  switch (job.kind) {
    case 'veth':
      connectVeth(job);
      break;
    case 'vxlan':
      connectVxlan(job, node);
      break;
    case 'delete':
      remove(job.removals, node);
  }
}

function connectVeth({ alias, client, endpoint }: Extract<Job, { kind: 'veth' }>): void {
  // Opened for each connection: who keeps a pod's namespace open keeps it alive after the pod has gone.
  using there = openNamespace(endpoint.namespace);
  using here = openNamespace(client.namespace);
  using clientSocket = RouteSocket.open(here);
  using endpointSocket = RouteSocket.open(there);
  const { name, mac } = endpoint;
  const made = clientSocket.createLink({
    kind: 'veth',
    name: client.name,
    mac: client.mac,
    mtu: vethMtu,
    peer: { name, namespace: there, mac, mtu: vethMtu },
  });
  configure(clientSocket, made.index, alias, client);
  configure(endpointSocket, endpointSocket.link(name)?.index ?? 0, alias, endpoint);
}

function connectVxlan(
  { alias, end, tunnel, resolve }: Extract<Job, { kind: 'vxlan' }>,
  node: RouteSocket,
): void {
  using namespace = openNamespace(end.namespace);
  using socket = RouteSocket.open(namespace);
  const { name, mac } = end;
  const { id, local, remote } = tunnel;
  node.addLink({
    kind: 'vxlan',
    name,
    namespace,
    mac,
    mtu: vxlanMtu,
    id,
    local,
    remote,
    port: 4789,
    learning: false,
    zeroChecksum6Rx: true,
  });
  const index = socket.link(name)?.index ?? 0;
  configure(socket, index, alias, end);
  if (resolve) resolveNeighbour(socket, index, end.peerAddress);
}

function configure(socket: RouteSocket, index: number, alias: string, { address }: End): void {
  socket.batch(() => {
    socket.setLink(index, { alias, up: true });
    socket.addAddress(index, { address, nodad: true });
  });
}

/** Waits without sleeping: a floor has no reason to look again later than it could. */
function resolveNeighbour(socket: RouteSocket, device: number, address: string): void {
  socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  const deadline = performance.now() + patienceMs;
  while (socket.neighbour(address, device)?.state !== 'reachable') {
    if (performance.now() > deadline) throw new Error(`${address} does not answer through the bare tunnel`);
  }
}

/**
 * One by itself; several together, because nearly all of a deletion is waiting for other processors (RCU), which many
 * can do at once: veth pairs of one namespace by group, vxlan devices of any namespaces with the device they hang on.
 */
function remove(removals: readonly Removal[], node: RouteSocket): void {
  const tunnels = removals.filter(({ kind }) => kind === 'vxlan');
  if (tunnels.length > 1) removeTunnels(tunnels, node);
  const rest = tunnels.length > 1 ? removals.filter(({ kind }) => kind !== 'vxlan') : removals;
  for (const path of new Set(rest.map(({ namespace }) => namespace)))
    within(path, (socket) => {
      const [first = '', ...others] = rest.flatMap(({ namespace, name }) =>
        namespace === path ? [name] : [],
      );
      if (others.length === 0) {
        socket.deleteLink(first);
        return;
      }
      socket.batch(() => {
        for (const name of [first, ...others]) socket.setLink(name, { group: removalGroup });
      });
      socket.deleteGroup(removalGroup);
    });
}

/** With a device go the vxlan devices that use it as their lower one, in one wait (vxlan_lowerdev_event, drivers/net/vxlan). */
function removeTunnels(removals: readonly Removal[], node: RouteSocket): void {
  const { index } = node.createLink({ kind: 'veth', name: 'bench-doomed', peer: { name: 'bench-doomed-p' } });
  try {
    for (const { namespace, name } of removals)
      within(namespace, (socket) => socket.setLink(name, { vxlan: { link: index } }));
  } finally {
    node.deleteLink(index);
  }
}

function within(path: string, run: (socket: RouteSocket) => void): void {
  using namespace = openNamespace(path);
  using socket = RouteSocket.open(namespace);
  run(socket);
}
