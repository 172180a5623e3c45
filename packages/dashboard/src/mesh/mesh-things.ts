// Puts together what several managers tell: one mesh of nodes, endpoints and connections.
import type { ConnectionView, SideView } from '@nsm/views/connection-view';
import type { ListedEndpointView } from '@nsm/views/endpoint-view';
import type { ManagerView } from '@nsm/views/manager-view';
import {
  type ConnectionState,
  carries,
  connectionStates,
  keyOf,
  type MeshConnection,
  type MeshEndpoint,
  type MeshNode,
  type Side,
  type Thing,
  type Trouble,
} from '../model.js';

/** Of a manager whose first answer is awaited. */
export const notAskedYet = 'has not answered yet';

/** What one manager told last. */
export interface Told {
  readonly name: string;
  readonly troubles: readonly Trouble[];
  readonly managers: readonly ManagerView[];
  readonly endpoints: readonly ListedEndpointView[];
  readonly connections: Iterable<ConnectionView>;
  /** Why it tells nothing now; '' while it answers. */
  readonly silent: string;
}

/** @param unasked why a manager is not asked, by its name. */
export function meshThings(
  told: readonly Told[],
  unasked: ReadonlyMap<string, string> = new Map(),
): Map<string, Thing> {
  // Of what several managers tell the last counts: managers that answer know more of the others than silent ones do.
  const order = told.toSorted((a, b) => Number(a.silent === '') - Number(b.silent === ''));
  const things: Thing[] = [
    ...nodesOf(order, unasked),
    ...new Map(
      order.flatMap(({ endpoints }) => endpoints.map(endpointOf)).map((one) => [one.id, one]),
    ).values(),
    ...connectionsOf(told),
  ];
  return new Map(things.map((thing) => [keyOf(thing), thing]));
}

function nodesOf(told: readonly Told[], unasked: ReadonlyMap<string, string>): MeshNode[] {
  const asked = new Map(told.map((one) => [one.name, one]));
  const managers = new Map(told.flatMap(({ managers }) => managers.map((one) => [one.name, one])));
  const names = new Set([...managers.keys(), ...asked.keys()]);
  return [...names].toSorted().map((name) => {
    const manager = managers.get(name);
    const own = asked.get(name);
    return {
      kind: 'node',
      id: name,
      address: manager?.address ?? '',
      version: manager?.version ?? '',
      security: manager?.security ?? '',
      state: stateOfManager(manager, own),
      unseen: own ? own.silent : (unasked.get(name) ?? 'not asked'),
      troubles: own?.silent === '' ? own.troubles : [],
    };
  });
}

function stateOfManager(manager: ManagerView | undefined, told: Told | undefined): MeshNode['state'] {
  if (told?.silent === '') return manager?.drained ? 'DRAINED' : 'ALIVE';
  if (!manager) return 'GONE';
  if (manager.alive) return manager.drained ? 'DRAINED' : 'ALIVE';
  return manager.stopped ? 'STOPPED' : 'GONE';
}

function endpointOf({ manager: node, ...endpoint }: ListedEndpointView): MeshEndpoint {
  const { name, namespace, service, interfaces, labels, prefixes, unavailable } = endpoint;
  const id = `${namespace}/${name}/${service}`;
  return { kind: 'endpoint', id, node, name, namespace, service, interfaces, labels, prefixes, unavailable };
}

interface Half {
  /** Name of its manager. */
  readonly node: string;
  readonly silent: boolean;
  readonly told: ConnectionView;
}

function connectionsOf(told: readonly Told[]): MeshConnection[] {
  const halves = told.flatMap(({ name: node, silent, connections }) =>
    [...connections].map((told): Half => ({ node, silent: silent !== '', told })),
  );
  const ids = new Set(halves.map(({ told }) => told.id));
  /** By the id of the client's half, as the endpoint's half names it. */
  const ofEndpoints = new Map(
    halves.filter(({ told }) => told.role === 'ENDPOINT').map((half) => [half.told.peerId, half]),
  );
  return halves.flatMap((half) => {
    const { role, peerId, id } = half.told;
    if (role === 'ENDPOINT') return ids.has(peerId) ? [] : [connectionOf(undefined, half)];
    return [connectionOf(half, ofEndpoints.get(id))];
  });
}

/** Of a connection between nodes whose other manager is not asked, one half is known. */
function connectionOf(client: Half | undefined, endpoint: Half | undefined): MeshConnection {
  const main = (client ?? endpoint) as Half;
  const { told } = main;
  const halves = [client, endpoint]
    .filter((half) => half !== undefined)
    .map((half) => ({ id: half.told.id, node: half.node, state: stateOf(half) }));
  // A half that is not seen says nothing of the connection while the other one is.
  const seen = halves.filter(({ state }) => state !== 'UNKNOWN');
  const [worst] = seen.toSorted((a, b) => badness(a.state) - badness(b.state));
  const worse = worst && worst.id === endpoint?.told.id ? endpoint.told : told;
  const isLocal = told.role === 'LOCAL';
  const state = worst?.state ?? 'UNKNOWN';
  return {
    kind: 'connection',
    id: told.id,
    service: told.service,
    requestId: told.requestId,
    state,
    detail: worse?.detail ?? '',
    since: worse?.since ?? '',
    attempt: Math.max(told.attempt, endpoint?.told.attempt ?? 0),
    interface: told.interface,
    client: sideOf(client?.node ?? told.peerManager, told.client, (client ?? endpoint)?.told.client),
    endpoint: {
      ...sideOf(
        endpoint?.node ?? (isLocal ? main.node : told.peerManager),
        endpoint?.told.endpointSide ?? told.endpointSide,
        told.endpointSide,
      ),
      name: told.endpoint,
      namespace: told.endpointNamespace,
    },
    tunnel: told.tunnel,
    narrow: client?.told.narrow ?? endpoint?.told.narrow ?? null,
    halves,
    history: historyOf(told),
    lastOrder: told.lastOrder,
    roundTripUs: carries(state) ? told.roundTripUs : null,
    heals: told.heals,
  };
}

/** A manager that was started anew has its connections since then, and what it tells of `since` is older. */
function historyOf({ history, state: now, since }: ConnectionView): MeshConnection['history'] {
  return history.flatMap(({ time, ...past }, index) => {
    const isNow = index === history.length - 1 && past.state === now;
    const entered = (isNow ? since : null) ?? time;
    return entered === null ? [] : [{ time: entered, ...past }];
  });
}

function stateOf({ silent, told }: Half): ConnectionState {
  if (silent) return 'UNKNOWN';
  return connectionStates.find((state) => state === told.state) ?? 'UNKNOWN';
}

function badness(state: ConnectionState): number {
  return connectionStates.indexOf(state);
}

/** What a manager does not know of a side on another node, its own half may. */
function sideOf(node: string, told: SideView, less: SideView = told): Side {
  return {
    node,
    netns: told.namespace,
    pod: told.pod,
    interfaceName: told.interfaceName || less.interfaceName,
    addresses: told.addresses.length > 0 ? told.addresses : less.addresses,
    routes: told.routes.length > 0 ? told.routes : less.routes,
    routeCount: Math.max(told.routeCount, less.routeCount),
    mtu: told.mtu || less.mtu,
    mac: told.mac || less.mac,
  };
}
