// nsmadmin.Admin on admin.sock: what operators call.
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { admin, NsmError, type ServiceImplementation } from '@nsm/api';
import { explainSelection } from '../explain/explain-selection.js';
import { listRefusals } from '../explain/list-refusals.js';
import { benchConnection } from '../inspection/bench.js';
import { captureConnection } from '../inspection/capture.js';
import { knownConnection } from '../inspection/halves.js';
import { pingConnection } from '../inspection/ping.js';
import { traceConnection } from '../inspection/trace.js';
import { writeOwnRecord } from '../peers/registration.js';
import { drain } from '../signals/leaving.js';
import { quote } from '../untrusted-text.js';
import type { ServiceComponents } from './components.js';
import { checkPeers } from './peer-checks.js';
import { testPolicy } from './policy-verdicts.js';
import { refusable } from './refusable.js';
import { adminConnection, inFull, roundTripsOf } from './told-connections.js';
import { capabilitiesOf, toldManager } from './told-manager.js';
import { watchAll } from './watch-all.js';
import { withinPatience } from './within-patience.js';

export function adminService(components: ServiceComponents): ServiceImplementation<typeof admin.Admin> {
  return {
    getManager: () => toldManager(components),

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
