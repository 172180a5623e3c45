// The consequence for a client when no packets come back from the node of its endpoint.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import type { PathFailure } from '../connection/facts.js';
import { type Connection, endpointOf } from '../state/connection.js';
import type { SignalComponents } from './components.js';

/**
 * Also notes, for the choice of endpoints, that the client's endpoint cannot be relied on.
 * @returns undefined when a half of the connection is undone again and again, and no other endpoint helps against that: the
 * connection's record tells so already.
 */
export function pathFailureOf(
  { catalogue, health, registry }: Pick<SignalComponents, 'catalogue' | 'health' | 'registry'>,
  connection: Connection,
): PathFailure | undefined {
  const { request, service, peer, phase } = connection;
  const { contested, contestedThere } = phase.kind === 'UP' ? phase : {};
  if (contested !== undefined && contestedThere === undefined) return undefined;
  const key = endpointKey(endpointOf(connection));
  // What is undone in the endpoint's pod is not in another's of the same node.
  const avoid = (other: NetworkServiceEndpoint): boolean =>
    contestedThere === undefined ? other.networkServiceHost === peer?.manager : endpointKey(other) === key;
  const reason = contestedThere ?? `no packets come back from node ${peer?.manager}`;
  const current = registry.endpointsOf(service).find((record) => endpointKey(record) === key);
  if (current) health.failed(current, reason);
  const wanted = { service, labels: request?.labels, interfaces: request?.interface ?? [] };
  const elsewhere = catalogue.rank(wanted).some(({ usable, endpoint: other }) => usable && !avoid(other));
  return contestedThere !== undefined && !elsewhere ? undefined : { reason, avoid, elsewhere };
}
