// nsmadmin.Admin on admin.sock: what operators call.
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { admin, type forwarder as fw, NsmError, type ServiceImplementation } from '@nsm/api';
import { explainSelection } from '../explain/explain-selection.js';
import { listRefusals } from '../explain/list-refusals.js';
import { benchConnection } from '../looking/bench.js';
import { captureConnection } from '../looking/capture.js';
import { knownConnection } from '../looking/halves.js';
import { pingConnection } from '../looking/ping.js';
import { traceConnection } from '../looking/trace.js';
import { writeOwnRecord } from '../peers/registration.js';
import { drain } from '../signals/leaving.js';
import { quote } from '../untrusted-text.js';
import type { ServiceComponents } from './components.js';
import { checkPeers } from './peer-checks.js';
import { testPolicy } from './policy-tests.js';
import { refusable } from './refusable.js';
import { adminConnection, inFull, roundTripsOf } from './told-connections.js';
import { watchAll } from './watch-all.js';
import { withinPatience } from './within-patience.js';

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
        stateDir: components.places.stateDir,
        stateStandIn: components.places.state === components.places.stateDir ? '' : components.places.state,
        stateError: (await components.readiness.missing()).get('state') ?? '',
        listen: components.places.listen,
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
        onlyTunnels: [...components.tunnels].map(([service, types]) => ({ service, types: [...types] })),
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
      const { catalogue, connections } = components;
      const known = catalogue.all().map((endpoint) => ({
        endpoint,
        connections: connections.countOf(endpoint),
        unavailable: catalogue.unavailable(endpoint),
      }));
      const displaced = catalogue.displaced().map(({ endpoint, by }) => ({
        endpoint,
        connections: 0,
        unavailable: `manager ${quote(by)} serves an endpoint of the same name: choose another name, or remove it there`,
      }));
      return { endpoints: [...displaced, ...known] };
    },

    async listManagers() {
      const { registry, peers } = components;
      return { managers: [...registry.managers().values()], silent: [...peers.silent] };
    },

    async listConnections({ roundTrips }) {
      const all = [...components.connections.values()];
      const measured = roundTrips ? await roundTripsOf(components, all) : undefined;
      return {
        connections: await Promise.all(
          all.map((connection) => inFull(components, connection, measured?.get(connection.id))),
        ),
      };
    },

    async compareConnection({ id }) {
      const connection = knownConnection(components, id);
      const [{ differences }, measured] = await Promise.all([
        withinPatience(components.forwarder.compare(connection.crossConnect)),
        roundTripsOf(components, [connection]),
      ]);
      return { differences, roundTripUs: measured.get(id) ?? 0 };
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

    explainSelection: (request) => explainSelection(components, request),

    listRefusals: (request) => withinPatience(listRefusals(components, request)),

    async getPolicy() {
      const { path, error, inForce } = components.source;
      const { text, loadedAt } = inForce;
      return { source: path, error, text, ...(path ? { loaded: timestampFromMs(loadedAt) } : {}) };
    },

    testPolicy: async (request) => ({ verdicts: testPolicy(components, request) }),

    closeConnection: ({ id }) =>
      refusable(async () => {
        await components.reconciler.close(knownConnection(components, id).id, 'closed by an operator');
        return undefined;
      }),

    drain: ({ undo }) =>
      refusable(async () => {
        const { moved, staying } = await drain(components, undo);
        return { accepted: true, admissionError: '', moved, staying: [...staying] };
      }),

    watch: ({ topics }, { signal }) => watchAll(components, topics, signal),

    checkPeers: () => checkPeers(components),

    async checkRegistry() {
      const started = performance.now();
      const error = await writeOwnRecord(components, components.catalogue.drained).then(
        () => '',
        (thrown: unknown) => NsmError.from(thrown).message,
      );
      const elapsedMs = performance.now() - started;
      const members = [...((await components.registry.members?.()) ?? [])];
      return { error, elapsedMs, members };
    },

    async *watchConnections(_request, { signal }) {
      const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
      const kinds = { present: PRESENT, changed: CHANGED, removed: REMOVED };
      for await (const change of components.connections.watch(signal)) {
        const time = timestampFromMs(components.connections.now());
        if (change.kind === 'synced') yield { kind: SYNCED, time };
        else
          yield {
            kind: kinds[change.kind],
            connection: adminConnection(components, change.connection),
            time,
          };
      }
    },

    captureConnection: (request, { signal }) => captureConnection(components, request, signal),

    benchConnection: (request, { signal }) => benchConnection(components, request, signal),

    traceConnection: ({ id }, { signal }) => traceConnection(components, id, signal),

    pingConnection: ({ id, timeoutMs, size }) => pingConnection(components, id, timeoutMs || 1000, size),
  };
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

interface CertificateFields {
  certificateSource?: string;
  certificateUntil?: ReturnType<typeof timestampFromMs>;
  certificateChain?: string;
  certificateAuthorities?: string;
  certificateError?: string;
  certificateEndsSoon?: boolean;
}

function certificateOf({ credentials }: ServiceComponents): CertificateFields {
  if (!credentials) return {};
  const { source, validUntil, trouble, endsSoon, current } = credentials;
  return {
    certificateSource: source,
    certificateUntil: timestampFromMs(validUntil.getTime()),
    certificateChain: current.chain,
    certificateAuthorities: [...current.authorities.values()].flat().join(''),
    certificateError: trouble,
    certificateEndsSoon: endsSoon,
  };
}
