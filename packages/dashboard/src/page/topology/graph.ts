// A mesh as a graph: nodes with the pods on them, connections between pods, tunnels between nodes. Pure.

import { grouped } from '@nsm/views/grouped';
import {
  type ConnectionState,
  connectionStates,
  keyOf,
  type MeshConnection,
  type MeshEndpoint,
  type MeshNode,
} from '../../model.js';
import { nameOf } from '../store.js';

/** A pod, or many clients of one service that are drawn as one. */
export interface Chip {
  readonly id: string;
  /** Of the box that the chip is in. */
  readonly node: string;
  readonly role: 'client' | 'endpoint' | 'group';
  readonly title: string;
  readonly subtitle: string;
  /** Why it is drawn as troubled; '' where its lines tell. */
  readonly note: string;
  /** Key of what is shown when the chip is chosen, or a search. */
  readonly select: string;
  readonly query: string;
  readonly isTroubled: boolean;
}

export interface Box {
  readonly id: string;
  readonly title: string;
  readonly state: MeshNode['state'];
  readonly isTroubled: boolean;
  readonly select: string;
}

export interface Edge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly state: ConnectionState;
  /** How many connections it stands for. */
  readonly count: number;
  /** Whether it leads to another node. */
  readonly isBetween: boolean;
  readonly select: string;
  readonly query: string;
}

/** Of all connections between two nodes. */
export interface TunnelEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly title: string;
}

export interface Graph {
  readonly boxes: readonly Box[];
  readonly chips: readonly Chip[];
  readonly edges: readonly Edge[];
  readonly tunnels: readonly TunnelEdge[];
  /** Whether clients of one service are drawn as one. */
  readonly isGathered: boolean;
}

/** Connections beyond which clients of one service on one node are drawn as one. */
export const mostEdges = 60;

export interface Shown {
  readonly nodes: readonly MeshNode[];
  readonly endpoints: readonly MeshEndpoint[];
  readonly connections: readonly MeshConnection[];
}

export function graphOf({ nodes, endpoints, connections }: Shown): Graph {
  const isGathered = connections.length > mostEdges;
  const chips = new Map<string, Chip>();
  const edges = new Map<string, Edge>();
  const endpointIds = endpointChips(endpoints, connections, chips);
  const add = isGathered ? addGathered : addOne;
  for (const connection of connections) {
    const { endpoint } = connection;
    const to = endpointIds.get(`${endpoint.namespace}/${endpoint.name}`);
    if (to !== undefined) add(connection, to, chips, edges);
  }
  const used = new Set([...chips.values()].map(({ node }) => node));
  const known = new Map(nodes.map((node) => [node.id, node]));
  return {
    boxes: [...new Set([...known.keys(), ...used])].toSorted().map((id) => boxOf(id, known.get(id))),
    chips: [...chips.values()],
    edges: [...edges.values()],
    tunnels: tunnelsOf(connections),
    isGathered,
  };
}

function boxOf(id: string, node: MeshNode | undefined): Box {
  const word = !node || node.state === 'ALIVE' ? '' : ` · ${node.state.toLowerCase()}`;
  const unseen = node?.unseen ? ' · not seen' : '';
  return {
    id,
    title: `${id}${word}${word ? '' : unseen}`,
    state: node?.state ?? 'ALIVE',
    isTroubled: node?.state === 'GONE' || (node?.troubles.length ?? 0) > 0,
    select: `node/${id}`,
  };
}

/** @returns chips by `NAMESPACE/NAME`: an endpoint that provides several services is one pod. */
function endpointChips(
  endpoints: readonly MeshEndpoint[],
  connections: readonly MeshConnection[],
  chips: Map<string, Chip>,
): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  for (const [name, all] of grouped(endpoints, ({ namespace, name }) => `${namespace}/${name}`)) {
    const [first] = all;
    if (!first) continue;
    const services = all.map(({ service }) => service).join(', ');
    const isTroubled = all.some(({ unavailable }) => unavailable !== '');
    ids.set(name, `e:${name}`);
    chips.set(`e:${name}`, {
      id: `e:${name}`,
      node: first.node,
      role: 'endpoint',
      title: first.name,
      subtitle: services,
      note: isTroubled ? 'unavailable' : '',
      select: keyOf(first),
      query: `endpoint:${first.name}`,
      isTroubled,
    });
  }
  // An endpoint that has gone before its clients.
  for (const { endpoint, service } of connections) {
    const name = `${endpoint.namespace}/${endpoint.name}`;
    if (ids.has(name) || endpoint.name === '') continue;
    ids.set(name, `e:${name}`);
    chips.set(`e:${name}`, {
      id: `e:${name}`,
      node: endpoint.node,
      role: 'endpoint',
      title: endpoint.name,
      subtitle: service,
      note: 'gone',
      select: '',
      query: `endpoint:${endpoint.name}`,
      isTroubled: true,
    });
  }
  return ids;
}

function addOne(
  connection: MeshConnection,
  to: string,
  chips: Map<string, Chip>,
  edges: Map<string, Edge>,
): void {
  const { client, state, requestId } = connection;
  const title = nameOf(connection);
  const id = `c:${client.node}/${client.netns || requestId}`;
  const select = keyOf(connection);
  const isTroubled = isBad(state);
  const present = chips.get(id);
  chips.set(id, {
    id,
    node: client.node,
    role: 'client',
    title: present && present.title !== title ? present.title : title,
    subtitle: present ? 'several services' : connection.service,
    note: '',
    select: present ? '' : select,
    query: title,
    isTroubled: (present?.isTroubled ?? false) || isTroubled,
  });
  const isBetween = client.node !== connection.endpoint.node;
  edges.set(select, { id: select, from: id, to, state, count: 1, isBetween, select, query: '' });
}

function addGathered(
  { client, service, state, endpoint }: MeshConnection,
  to: string,
  chips: Map<string, Chip>,
  edges: Map<string, Edge>,
): void {
  const id = `g:${client.node}/${service}`;
  const query = `node:${client.node} service:${service}`;
  const present = chips.get(id);
  const clients = Number(present?.title.split(' ')[0] ?? 0) + 1;
  chips.set(id, {
    id,
    node: client.node,
    role: 'group',
    title: `${clients} ${clients === 1 ? 'client' : 'clients'}`,
    subtitle: service,
    note: '',
    select: '',
    query,
    isTroubled: (present?.isTroubled ?? false) || isBad(state),
  });
  const key = `${id} ${to}`;
  const edge = edges.get(key);
  edges.set(key, {
    id: key,
    from: id,
    to,
    state: edge ? worse(edge.state, state) : state,
    count: (edge?.count ?? 0) + 1,
    isBetween: client.node !== endpoint.node,
    select: '',
    query: `${query} endpoint:${endpoint.name}`,
  });
}

function isBad(state: ConnectionState): boolean {
  return state === 'FAILED' || state === 'STALE';
}

function worse(a: ConnectionState, b: ConnectionState): ConnectionState {
  return connectionStates.indexOf(a) < connectionStates.indexOf(b) ? a : b;
}

function tunnelsOf(connections: readonly MeshConnection[]): TunnelEdge[] {
  const between = grouped(
    connections.filter(({ tunnel }) => tunnel !== null),
    ({ client, endpoint }) => [client.node, endpoint.node].toSorted().join('\n'),
  );
  return [...between].map(([key, all]) => {
    const [from = '', to = ''] = key.split('\n');
    const kinds = grouped(all, ({ tunnel }) => tunnel?.type ?? '');
    const title = [...kinds]
      .map(([kind, { length }]) => (length > 1 ? `${kind} × ${length}` : kind))
      .join(', ');
    return { id: `t:${key}`, from, to, title };
  });
}
