// The manager's gRPC services: who may call what, and which words answer. What they do is told elsewhere.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  admin,
  type CallContext,
  connect,
  type endpoint,
  NsmError,
  type proxy,
  type ServiceImplementation,
} from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { admitName, admitRequestId, quote } from './admission.js';
import { requestConnection } from './client-requests.js';
import { closeConnection } from './closing.js';
import { type Connection, requestKey } from './connection.js';
import type { ConnectionChange } from './connection-table.js';
import { knownServices, type Node, surroundings } from './node.js';
import { closeProxyConnection, proxyReply, requestProxyConnection } from './proxy-requests.js';
import { rankEndpoints } from './selection.js';

/** A refusal is a reply, a broken call an error: the one place where the two part. */
async function refusable<T extends object>(
  work: () => Promise<T | undefined>,
): Promise<T | { accepted: boolean; admissionError: string }> {
  try {
    return (await work()) ?? { accepted: true, admissionError: '' };
  } catch (thrown) {
    const error = NsmError.from(thrown);
    if (error.kind === 'internal' || error.kind === 'cancelled') throw error;
    return { accepted: false, admissionError: error.toAdmissionError() };
  }
}

/** nsmconnect.ClientConnection on client.sock. */
export function clientService(node: Node): ServiceImplementation<typeof connect.ClientConnection> {
  return {
    requestConnection: (request, { peer, signal }) =>
      refusable(async () => {
        const { clientParameters, interface: chosen } = await requestConnection(node, request, peer, signal);
        return { accepted: true, connectionParameters: clientParameters, interface: chosen };
      }),

    closeConnection: ({ requestId, networkServiceName }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        admitName('network_service_name', networkServiceName);
        const namespace = await node.guard.namespaceOf(peer);
        const key = requestKey(requestId, networkServiceName);
        await node.mutex.run(key, async () => {
          const connection = node.connections.byKey(key);
          if (!connection) return;
          if (connection.owner?.namespace !== namespace && !node.guard.speaksForOthers(peer)) {
            throw new NsmError(
              'namespace-foreign',
              `the connection of request_id ${quote(requestId)} belongs to another network namespace; close it from there`,
            );
          }
          await closeConnection(node, connection, 'closed by the client');
        });
        return undefined;
      }),

    async *watchConnections(_request, { peer, signal }) {
      const namespace = await node.guard.namespaceOf(peer);
      for await (const change of node.connections.watch(signal)) {
        const event = clientEvent(change);
        if (change.kind === 'synced' || change.connection.owner?.namespace === namespace) yield event;
      }
    },
  };
}

/** nseconnect.EndpointOperations on endpoint.sock. */
export function endpointService(node: Node): ServiceImplementation<typeof endpoint.EndpointOperations> {
  const entitled = async (
    record: { nseProviderName: string; networkServiceName: string; nseProviderNamespace: string },
    { peer }: CallContext,
  ): Promise<void> => {
    if (await node.endpoints.belongsTo(record, await node.guard.namespaceOf(peer))) return;
    if (node.guard.speaksForOthers(peer)) return;
    throw new NsmError(
      'namespace-foreign',
      `endpoint ${quote(record.nseProviderName)} belongs to another network namespace; speak for it from there`,
    );
  };
  return {
    advertiseEndpoint: ({ networkEndpoint }) =>
      refusable(async () => {
        await node.endpoints.advertise(networkEndpoint);
        return undefined;
      }),

    removeEndpoint: ({ nseProviderName, nseProviderNamespace, networkServiceName }, context) =>
      refusable(async () => {
        admitName('nse_provider_name', nseProviderName);
        for (const record of node.endpoints.matching(
          nseProviderName,
          nseProviderNamespace,
          networkServiceName,
        )) {
          await entitled(record, context);
          await node.endpoints.remove(endpointKey(record), 'it was removed');
        }
        return undefined;
      }),

    closeConnection: ({ requestId, networkServiceName, reason }, context) =>
      refusable(async () => {
        admitRequestId(requestId);
        for (const { id, key } of node.connections.values()) {
          await node.mutex.run(key, async () => {
            const connection = node.connections.byId(id);
            if (
              connection?.requestId !== requestId ||
              connection.service !== networkServiceName ||
              connection.role === 'CLIENT'
            )
              return;
            const { name, namespace } = connection.endpoint;
            await entitled(
              { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName },
              context,
            );
            await closeConnection(node, connection, reason || 'closed by the endpoint');
          });
        }
        return undefined;
      }),
  };
}

/** nsmproxy.ProxyConnection on TCP. */
export function proxyService(node: Node): ServiceImplementation<typeof proxy.ProxyConnection> {
  return {
    requestProxyConnection: (request, context) =>
      refusable(async () => proxyReply(await requestProxyConnection(node, request, context))),
    closeProxyConnection: (request) =>
      refusable(async () => {
        await closeProxyConnection(node, request);
        return undefined;
      }),
  };
}

/** nsmadmin.Admin on admin.sock, for operators only. */
export function adminService(node: Node): ServiceImplementation<typeof admin.Admin> {
  return {
    async getManager() {
      const capabilities = await node.forwarder.getCapabilities({});
      return {
        manager: { name: node.name, address: node.advertise, alive: true },
        registry: node.registry.url,
        registrySynced: node.registry.synced,
        capabilities,
        connections: node.connections.size,
        endpoints: node.endpoints.size,
        addressPairs: node.pools.size,
        tunnelIdentifiers: node.identifiers.size,
      };
    },

    async listServices() {
      return {
        services: [...knownServices(node)].toSorted().map((name) => {
          const endpoints = node.registry.endpointsOf(name);
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
        endpoints: [...node.registry.endpoints()].map((endpoint) => ({
          endpoint,
          connections: node.connections.countOf(endpoint),
          unavailable:
            node.health.recentFailure(endpoint) ??
            (managers.get(endpoint.networkServiceHost)?.alive
              ? ''
              : `manager "${endpoint.networkServiceHost}" does not answer`),
        })),
      };
    },

    async listManagers() {
      return { managers: [...node.registry.managers().values()] };
    },

    async listConnections() {
      return {
        connections: await Promise.all(
          [...node.connections.values()].map((connection) => withStatistics(node, connection)),
        ),
      };
    },

    async listTunnels() {
      const { tunnels: capabilities } = await node.forwarder.getCapabilities({});
      const tunnels = [...node.connections.values()].flatMap(
        ({ id, peer, crossConnect: { tunnel }, clientParameters }) =>
          tunnel
            ? [{ connectionId: id, peerManager: peer?.manager ?? '', tunnel, mtu: clientParameters.mtu }]
            : [],
      );
      return { capabilities, tunnels };
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

async function withStatistics(node: Node, connection: Connection) {
  // An interface that has just gone has no counters; the connection's state says why.
  const statistics = await node.forwarder
    .getStatistics({ crossConnect: connection.crossConnect })
    .catch(() => undefined);
  return { ...adminConnection(connection), ...(statistics ? { statistics } : {}) };
}

function adminConnection(connection: Connection) {
  const { state } = connection;
  return {
    id: connection.id,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    role: connection.role,
    state: state.kind,
    detail: 'reason' in state ? state.reason : '',
    nseProviderName: connection.endpoint.name,
    nseProviderNamespace: connection.endpoint.namespace || 'default',
    peerManager: connection.peer?.manager ?? connection.id.slice(0, connection.id.lastIndexOf(':')),
    interface: connection.interface,
    connectionParameters: connection.clientParameters,
    endpointParameters: connection.endpointParameters,
    crossConnect: connection.crossConnect,
    since: timestampFromMs(connection.since),
  };
}

function clientEvent(change: ConnectionChange): MessageInitShape<typeof connect.ConnectionEventSchema> {
  const { UP, HEALING, CLOSED, SYNCED } = connect.ConnectionEvent_Kind;
  if (change.kind === 'synced') return { kind: SYNCED };
  const { connection } = change;
  const { state } = connection;
  const kind = change.kind === 'removed' ? CLOSED : state.kind === 'UP' ? UP : HEALING;
  return {
    kind,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    connectionParameters: connection.clientParameters,
    interface: connection.interface,
    detail: change.kind === 'removed' ? change.reason : 'reason' in state ? state.reason : '',
  };
}
