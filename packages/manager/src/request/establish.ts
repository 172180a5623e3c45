// From an admitted request to a connection that carries packets: endpoints are tried in order until one does.
import { NsmError } from '@nsm/api';
import { selectEndpoints } from '../choice/selection.js';
import { knownServices, type Node, surroundings } from '../node.js';
import type { Connection } from '../state/connection.js';
import { type Admitted, attemptOf } from './attempt.js';
import { connectLocally } from './local-connection.js';
import { declareUp } from './programming.js';
import { connectRemotely } from './remote-connection.js';
import { Transaction } from './transaction.js';

/** A request tries at most this many endpoints. */
const maxCandidates = 5;

/** Tries the endpoints in order until one carries packets. */
export async function establish(node: Node, admitted: Admitted, signal: AbortSignal): Promise<Connection> {
  const { request } = admitted;
  const wanted = {
    service: request.networkServiceName,
    labels: request.labels,
    interfaces: request.interface,
  };
  const candidates = selectEndpoints(wanted, surroundings(node, wanted.service), () => knownServices(node));
  const failures: NsmError[] = [];
  for (const endpoint of candidates.slice(0, maxCandidates)) {
    node.health.chosen(endpoint);
    const transaction = new Transaction(signal, node.faults);
    try {
      const local = endpoint.networkServiceHost === node.name;
      const connect = local ? connectLocally : connectRemotely;
      const connection = await connect(node, attemptOf(node, admitted, endpoint), transaction);
      node.owners.hold(connection);
      return declareUp(node, connection);
    } catch (thrown) {
      const error = NsmError.from(signal.aborted ? signal.reason : thrown);
      for (const failure of await transaction.rollback())
        node.logger.error({ err: failure }, 'a step was not undone');
      node.logger.info(
        {
          service: wanted.service,
          request: request.requestId,
          endpoint: endpoint.nseProviderName,
          err: error,
        },
        'endpoint not connected',
      );
      failures.push(error);
      if (signal.aborted || error.kind === 'namespace-unknown') break;
      node.health.failed(endpoint, error.message);
    }
  }
  throw summary(failures);
}

function summary(failures: readonly NsmError[]): NsmError {
  const [first, ...others] = failures;
  if (!first) return new NsmError('internal', 'no endpoint was tried');
  if (others.length === 0) return first;
  const messages = failures.map(({ message }) => message).join('; ');
  return new NsmError(
    first.kind,
    `none of ${failures.length} endpoints could be connected: ${messages}`,
    first,
  );
}
