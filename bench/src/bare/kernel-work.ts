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

export type Job =
  | { readonly kind: 'veth'; readonly alias: string; readonly client: End; readonly endpoint: End }
  | { readonly kind: 'delete'; readonly removals: readonly Removal[] };

/** A device to delete. */
export interface Removal {
  readonly name: string;
  /** Path of its namespace; undefined: the node's own. */
  readonly namespace?: string;
}

const vethMtu = 1500;
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

/** A device of a pod, as all are. */
export function configure(socket: RouteSocket, index: number, alias: string, { address }: End): void {
  socket.batch(() => {
    socket.setLink(index, { alias, up: true });
    socket.addAddress(index, { address, nodad: true });
  });
}

/** Waits without sleeping: a floor has no reason to look again later than it could. */
export function resolveNeighbour(socket: RouteSocket, device: number, address: string): void {
  socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  const deadline = performance.now() + patienceMs;
  while (socket.neighbour(address, device)?.state !== 'reachable') {
    if (performance.now() > deadline) throw new Error(`${address} does not answer through the bare tunnel`);
  }
}

/**
 * One by itself; several of a namespace by group, because nearly all of a deletion is waiting for other processors (RCU), which many
 * can do at once.
 */
function remove(removals: readonly Removal[], node: RouteSocket): void {
  for (const path of new Set(removals.map(({ namespace }) => namespace))) {
    const names = removals.flatMap(({ namespace, name }) => (namespace === path ? [name] : []));
    if (path === undefined) removeAll(names, node);
    else {
      using namespace = openNamespace(path);
      using socket = RouteSocket.open(namespace);
      removeAll(names, socket);
    }
  }
}

function removeAll([first = '', ...others]: readonly string[], socket: RouteSocket): void {
  if (others.length === 0) {
    socket.deleteLink(first);
    return;
  }
  socket.batch(() => {
    for (const name of [first, ...others]) socket.setLink(name, { group: removalGroup });
  });
  socket.deleteGroup(removalGroup);
}
