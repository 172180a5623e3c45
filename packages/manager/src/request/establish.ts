// From an admitted request to a connection that carries packets: endpoints are tried in order until one does.
import { abbreviatedList, type NetworkServiceEndpoint, NsmError, type NsmErrorKind } from '@nsm/api';
import { interfaceList } from '../choice/negotiation.js';
import { byPreference, spelledOut } from '../choice/physical-networks.js';
import type { Connection } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import { type Admitted, connectionId } from './attempt.js';
import type { RequestComponents } from './components.js';
import { connectLocally } from './local-connection.js';
import { declareUp } from './programming.js';
import { connectRemotely } from './remote-connection.js';
import { allOrNothing } from './transaction.js';

const maxCandidates = 5;

export async function establish(
  components: RequestComponents,
  admitted: Admitted,
  signal: AbortSignal,
): Promise<Connection> {
  const { request } = admitted;
  const wanted = {
    service: request.networkServiceName,
    labels: request.labels,
    interfaces: request.interface,
    client: admitted.client,
    needsTrust: admitted.former?.trusted,
  };
  const { avoid = () => false } = admitted;
  const fitting = await admitted.course.step('choose an endpoint', () => components.catalogue.select(wanted));
  const candidates = fitting.filter((endpoint) => !avoid(endpoint));
  if (candidates.length === 0)
    throw new NsmError(
      'no-matching-endpoint',
      `no other endpoint of network service ${quote(wanted.service)} can take the client`,
    );
  const failures: NsmError[] = [];
  for (const endpoint of candidates.slice(0, maxCandidates)) {
    components.health.chosen(endpoint);
    try {
      return await connectTo(components, admitted, endpoint, signal);
    } catch (thrown) {
      const error = NsmError.from(thrown);
      failures.push(error);
      if (signal.aborted || error.kind === 'namespace-unknown') break;
      if (!notEndpointsFault.has(error.kind)) components.health.failed(endpoint, error.message);
    }
  }
  throw summary(failures, candidates.length);
}

/** Errors of this manager, of the client's pod, its wishes or this node: they say nothing of the endpoint. */
const notEndpointsFault: ReadonlySet<NsmErrorKind> = new Set([
  'no-address',
  'no-common-interface',
  'registry',
  'own-branch',
  'exhausted',
  'policy',
]);

/** Errors against which another interface does not help. */
const notRetryable: ReadonlySet<NsmErrorKind> = new Set([
  'namespace-unknown',
  'endpoint-unreachable',
  'manager-unreachable',
  'registry',
  'own-branch',
  'exhausted',
]);

/** Tries the client's interfaces in turn with one endpoint. */
async function connectTo(
  components: RequestComponents,
  admitted: Admitted,
  endpoint: NetworkServiceEndpoint,
  signal: AbortSignal,
): Promise<Connection> {
  const { request } = admitted;
  const local = endpoint.networkServiceHost === components.self.name;
  const connect = local ? connectLocally : connectRemotely;
  const id = connectionId(components, admitted.hash);
  // The other manager hears what became of its half, and why, from the attempt alone: also while that is undone.
  using _asking = local ? undefined : components.peers.asking(id);
  const failures: NsmError[] = [];
  const { abilities, gate } = components;
  const wanted = gate.isRuled
    ? spelledOut(request.interface, endpoint.interface, abilities.physical)
    : request.interface;
  const { interfaces: allowed, verdict } = gate.admitClient(admitted.client, endpoint, wanted);
  for (const interfaces of byPreference(allowed, endpoint.interface, abilities.physical)) {
    const attempt = { ...admitted, endpoint, interfaces, verdict, id };
    try {
      return await allOrNothing(components, signal, admitted.course, async (transaction) => {
        const connection = await connect(components, attempt, transaction);
        components.owners.hold(connection);
        return declareUp(components, connection, admitted.course);
      });
    } catch (thrown) {
      const error = NsmError.from(thrown);
      // Healing tries again and again.
      const news =
        !admitted.former ||
        components.logThrottle.isNews(admitted.key, `${endpoint.nseProviderName}: ${error.message}`);
      components.logger[news ? 'info' : 'debug'](
        {
          service: request.networkServiceName,
          request: request.requestId,
          endpoint: endpoint.nseProviderName,
          interfaces: interfaceList(interfaces),
          trace: admitted.course.traceId,
          err: error,
        },
        'endpoint not connected',
      );
      failures.push(error);
      if (signal.aborted || notRetryable.has(error.kind)) break;
    }
  }
  const [first, ...others] = failures;
  if (!first || others.length === 0) throw first ?? new NsmError('internal', 'no interface was tried');
  throw new NsmError(first.kind, messagesOf(failures), first);
}

/** Each message once: endpoints, and the pools of a node, may refuse for the same reason. */
function messagesOf(failures: readonly NsmError[]): string {
  return abbreviatedList([...new Set(failures.map(({ message }) => message))], '; ');
}

/** @param among how many endpoints could have been tried. */
function summary(failures: readonly NsmError[], among: number): NsmError {
  const [first, ...others] = failures;
  if (!first) return new NsmError('internal', 'no endpoint was tried');
  if (others.length === 0) return first;
  const rest = among > failures.length ? `; ${among - failures.length} more were not tried` : '';
  return new NsmError(
    first.kind,
    `none of ${failures.length} endpoints could be connected: ${messagesOf(failures)}${rest}`,
    first,
  );
}
