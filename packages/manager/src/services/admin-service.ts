// nsmadmin.Admin on admin.sock: what operators call.
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  admin,
  type forwarder as fw,
  type NetworkServiceEndpoint,
  NsmError,
  type ServiceImplementation,
} from '@nsm/api';
import { quote } from '../admission/admission.js';
import { absence, rankEndpoints, type Surroundings } from '../choice/selection.js';
import { closeConnection } from '../life/closing.js';
import { drain } from '../life/leaving.js';
import { endpointsOf, knownEndpoints, knownServices, type Node, surroundings } from '../node.js';
import { type Connection, phaseOf } from '../state/connection.js';
import { reasonOf } from '../state/connection-table.js';
import { refusable } from './refusable.js';

export function adminService(node: Node): ServiceImplementation<typeof admin.Admin> {
  return {
    async getManager() {
      return {
        ...(await capabilitiesOf(node)),
        manager: { name: node.name, address: node.advertise, alive: true, drained: node.drained },
        registry: node.registry.url,
        registrySynced: node.registry.synced,
        connections: node.connections.size,
        endpoints: node.endpoints.size,
        addressPairs: node.pools.size,
        tunnelIdentifiers: node.identifiers.size,
      };
    },

    async listServices() {
      return {
        services: [...knownServices(node)].toSorted().map((name) => {
          const endpoints = endpointsOf(node, name);
          const managers = [
            ...new Set(endpoints.map(({ networkServiceHost }) => networkServiceHost)),
          ].toSorted();
          return { name, endpoints: endpoints.length, managers };
        }),
      };
    },

    async listEndpoints() {
      const managers = node.registry.managers();
      return {
        endpoints: knownEndpoints(node).map((endpoint) => ({
          endpoint,
          connections: node.connections.countOf(endpoint),
          unavailable: unavailable(node, endpoint, managers),
        })),
      };
    },

    async listManagers() {
      return { managers: [...node.registry.managers().values()] };
    },

    async listConnections() {
      return {
        connections: await Promise.all(
          [...node.connections.values()].map((connection) => inFull(node, connection)),
        ),
      };
    },

    async listTunnels() {
      const { capabilities } = await capabilitiesOf(node);
      const tunnels = [...node.connections.values()].flatMap(
        ({ id, peer, crossConnect: { tunnel }, clientParameters }) =>
          tunnel
            ? [{ connectionId: id, peerManager: peer?.manager ?? '', tunnel, mtu: clientParameters.mtu }]
            : [],
      );
      return { capabilities: capabilities?.tunnels ?? [], tunnels };
    },

    async explainSelection({ networkServiceName, labels, interface: interfaces }) {
      const ranked = rankEndpoints(
        { service: networkServiceName, labels, interfaces },
        surroundings(node, networkServiceName),
      );
      return {
        candidates: ranked.map(({ endpoint, usable, reason }, index) => ({
          endpoint,
          rank: usable ? index + 1 : 0,
          reason,
        })),
      };
    },

    closeConnection: ({ id }) =>
      refusable(async () => {
        const present = node.connections.byId(id);
        if (!present)
          throw new NsmError('not-found', `no connection ${quote(id)}; "nsm get connections" lists them`);
        await node.mutex.run(present.key, async () => {
          const connection = node.connections.byId(id);
          if (connection) await closeConnection(node, connection, 'closed by an operator');
        });
        return undefined;
      }),

    drain: ({ undo }) =>
      refusable(async () => {
        const { moved, staying } = await drain(node, undo);
        return { accepted: true, admissionError: '', moved, staying: [...staying] };
      }),

    async *watchConnections(_request, { signal }) {
      const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
      const kinds = { present: PRESENT, changed: CHANGED, removed: REMOVED };
      for await (const change of node.connections.watch(signal)) {
        const time = timestampFromMs(node.now());
        if (change.kind === 'synced') yield { kind: SYNCED, time };
        else yield { kind: kinds[change.kind], connection: adminConnection(change.connection), time };
      }
    },
  };
}

/** Why an endpoint would not be chosen now; empty when it would. */
function unavailable(
  node: Node,
  endpoint: NetworkServiceEndpoint,
  managers: Surroundings['managers'],
): string {
  const { networkServiceHost: host } = endpoint;
  if (node.drained && host === node.name) return 'this node is drained';
  return node.health.recentFailure(endpoint) ?? absence(host, managers) ?? '';
}

/** Milliseconds for which whoever looks waits for the forwarder: that it hangs may be what is to be seen. */
const patience = 2000;

async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(patience, undefined, { signal: timer.signal }).then(() => {
    throw new NsmError(
      'unavailable',
      `the forwarder of this node has not answered for ${patience / 1000} s: is it stopped, or overloaded?`,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.abort();
    late.catch(() => undefined);
  }
}

async function capabilitiesOf(
  node: Node,
): Promise<{ readonly capabilities?: fw.Capabilities; readonly forwarderError: string }> {
  try {
    return { capabilities: await withinPatience(node.forwarder.getCapabilities({})), forwarderError: '' };
  } catch (error) {
    return { forwarderError: NsmError.from(error).message };
  }
}

async function inFull(node: Node, connection: Connection) {
  // An interface that has just gone has no counters; the connection's state says why.
  const statistics = await withinPatience(
    node.forwarder.getStatistics({ crossConnect: connection.crossConnect }),
  ).catch(() => undefined);
  const history = node.connections.historyOf(connection.id).map(({ time, state }) => ({
    time: timestampFromMs(time),
    state: phaseOf(state),
    detail: reasonOf(state),
  }));
  return { ...adminConnection(connection), history, ...(statistics ? { statistics } : {}) };
}

/** Of thousands of routes so many are told: all connections of a node go into one reply. */
const maxRoutesTold = 64;

function withFewRoutes<T extends { readonly route: readonly string[] }>(parameters: T) {
  return { ...parameters, route: parameters.route.slice(0, maxRoutesTold) };
}

function portWithFewRoutes(port: fw.Port): fw.Port {
  return { ...port, routes: port.routes.slice(0, maxRoutesTold) };
}

function adminConnection(connection: Connection) {
  const { state, crossConnect, clientParameters, endpointParameters } = connection;
  const { client, endpoint } = crossConnect;
  return {
    id: connection.id,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    role: connection.role,
    state: phaseOf(state),
    detail: reasonOf(state),
    attempt: 'attempt' in state ? state.attempt : 0,
    nseProviderName: connection.endpoint.name,
    nseProviderNamespace: connection.endpoint.namespace || 'default',
    peerManager: connection.peer?.manager ?? connection.id.slice(0, connection.id.lastIndexOf(':')),
    interface: connection.interface,
    connectionParameters: withFewRoutes(clientParameters),
    endpointParameters: withFewRoutes(endpointParameters),
    crossConnect: {
      ...crossConnect,
      ...(client ? { client: portWithFewRoutes(client) } : {}),
      ...(endpoint ? { endpoint: portWithFewRoutes(endpoint) } : {}),
    },
    clientRoutes: clientParameters.route.length,
    endpointRoutes: endpointParameters.route.length,
    since: timestampFromMs(connection.since),
  };
}
