// nsmadmin.Admin on admin.sock: what operators call.
import { setTimeout as sleep } from 'node:timers/promises';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { admin, type forwarder as fw, NsmError, type ServiceImplementation } from '@nsm/api';
import { captureConnection } from '../looking/capture.js';
import { pingConnection } from '../looking/ping.js';
import { drain } from '../signals/leaving.js';
import { type Connection, detailOf, stateOf } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import type { ServiceComponents } from './components.js';
import { asHere, testPolicy } from './policy-tests.js';
import { refusable } from './refusable.js';

export function adminService(components: ServiceComponents): ServiceImplementation<typeof admin.Admin> {
  return {
    async getManager() {
      const forwarder = await capabilitiesOf(components);
      return {
        ...forwarder,
        manager: {
          name: components.self.name,
          address: components.self.address,
          version: components.self.version,
          security: components.self.security,
          alive: true,
          drained: components.catalogue.drained,
        },
        ...certificateOf(components),
        registry: components.registry.url,
        registrySynced: components.registry.synced,
        connections: components.connections.size,
        endpoints: components.endpoints.size,
        addressPairs: components.pools.size,
        tunnelIdentifiers: components.identifiers.size,
        policy: components.source.path,
        policyError: components.source.error,
        auditLog: components.auditLog?.path ?? '',
        auditLost: BigInt(components.auditLog?.lost ?? 0),
        limits: components.shares.uses(forwarder.capabilities?.memory),
      };
    },

    async listServices() {
      return {
        services: [...components.catalogue.services()].toSorted().map((name) => {
          const endpoints = components.catalogue.of(name);
          const managers = [
            ...new Set(endpoints.map(({ networkServiceHost }) => networkServiceHost)),
          ].toSorted();
          return { name, endpoints: endpoints.length, managers };
        }),
      };
    },

    async listEndpoints() {
      return {
        endpoints: components.catalogue.all().map((endpoint) => ({
          endpoint,
          connections: components.connections.countOf(endpoint),
          unavailable: components.catalogue.unavailable(endpoint),
        })),
      };
    },

    async listManagers() {
      return { managers: [...components.registry.managers().values()] };
    },

    async listConnections() {
      return {
        connections: await Promise.all(
          [...components.connections.values()].map((connection) => inFull(components, connection)),
        ),
      };
    },

    async listTunnels() {
      const { capabilities } = await capabilitiesOf(components);
      const tunnels = [...components.connections.values()].flatMap(
        ({ id, peer, crossConnect: { tunnel }, clientParameters }) =>
          tunnel
            ? [{ connectionId: id, peerManager: peer?.manager ?? '', tunnel, mtu: clientParameters.mtu }]
            : [],
      );
      return { capabilities: capabilities?.tunnels ?? [], tunnels };
    },

    async explainSelection({ networkServiceName, labels, interface: interfaces, subject }) {
      const client = subject && asHere(components, subject);
      const ranked = components.catalogue.rank({ service: networkServiceName, labels, interfaces, client });
      return {
        candidates: ranked.map(({ endpoint, usable, reason, rule }, index) => ({
          endpoint,
          rank: usable ? index + 1 : 0,
          reason,
          rule,
        })),
      };
    },

    async getPolicy() {
      const { path, error, inForce } = components.source;
      const { text, loadedAt } = inForce;
      return { source: path, error, text, ...(path ? { loaded: timestampFromMs(loadedAt) } : {}) };
    },

    testPolicy: async (request) => ({ verdicts: testPolicy(components, request) }),

    closeConnection: ({ id }) =>
      refusable(async () => {
        if (!components.connections.byId(id))
          throw new NsmError('not-found', `no connection ${quote(id)}; "nsm get connections" lists them`);
        await components.reconciler.close(id, 'closed by an operator');
        return undefined;
      }),

    drain: ({ undo }) =>
      refusable(async () => {
        const { moved, staying } = await drain(components, undo);
        return { accepted: true, admissionError: '', moved, staying: [...staying] };
      }),

    async *watchConnections(_request, { signal }) {
      const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
      const kinds = { present: PRESENT, changed: CHANGED, removed: REMOVED };
      for await (const change of components.connections.watch(signal)) {
        const time = timestampFromMs(components.connections.now());
        if (change.kind === 'synced') yield { kind: SYNCED, time };
        else yield { kind: kinds[change.kind], connection: adminConnection(change.connection), time };
      }
    },

    captureConnection: (request, { signal }) => captureConnection(components, request, signal),

    pingConnection: ({ id, timeoutMs }) => pingConnection(components, id, timeoutMs || 1000),
  };
}

/** Milliseconds for which whoever looks waits for the forwarder: that it hangs may be what is to be seen. */
const patienceMs = 2000;

async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(patienceMs, undefined, { signal: timer.signal }).then(() => {
    throw new NsmError(
      'unavailable',
      `the forwarder of this node has not answered for ${patienceMs / 1000} s: is it stopped, or overloaded?`,
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
  components: ServiceComponents,
): Promise<{ readonly capabilities?: fw.Capabilities; readonly forwarderError: string }> {
  try {
    return {
      capabilities: await withinPatience(components.forwarder.getCapabilities({})),
      forwarderError: '',
    };
  } catch (error) {
    return { forwarderError: NsmError.from(error).message };
  }
}

async function inFull(components: ServiceComponents, connection: Connection) {
  // An interface that has just gone has no counters; the connection's state says why.
  const statistics = await withinPatience(
    components.forwarder.getStatistics({ crossConnect: connection.crossConnect }),
  ).catch(() => undefined);
  const history = components.connections.historyOf(connection.id).map(({ time, state, detail }) => ({
    time: timestampFromMs(time),
    state,
    detail,
  }));
  return {
    ...adminConnection(connection),
    history,
    roundTripMs: components.connections.roundTripOf(connection.id) ?? 0,
    ...(statistics ? { statistics } : {}),
  };
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
  const { phase, crossConnect, clientParameters, endpointParameters } = connection;
  const { client, endpoint } = crossConnect;
  return {
    id: connection.id,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    role: connection.role,
    state: stateOf(connection),
    detail: detailOf(connection),
    attempt: 'attempt' in phase ? phase.attempt : 0,
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

function certificateOf({ credentials }: ServiceComponents): {
  certificateSource?: string;
  certificateUntil?: ReturnType<typeof timestampFromMs>;
} {
  if (!credentials) return {};
  const { source, validUntil } = credentials;
  return { certificateSource: source, certificateUntil: timestampFromMs(validUntil.getTime()) };
}
