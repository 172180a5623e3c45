// A new policy holds for what there is, too: endpoints that may not be provided any more leave, and connections that are not allowed
// any more end at once. Packets that a rule forbids have no time of grace.

import { endpointKey } from '@nsm/registry';
import { subjectFields } from '../audit/audit.js';
import type { Verdict } from '../policy/gate.js';
import { type Connection, endpointOf, isClosed } from '../state/connection.js';
import type { SignalComponents } from './components.js';
import { lose } from './losses.js';

/** Hears of each new policy until the manager stops. */
export function watchPolicy(components: SignalComponents): void {
  const { source, audit, advertising, logger } = components;
  const record = (what: string, error = ''): void =>
    audit.note({
      event: 'policy',
      what: { file: source.path, digest: source.digest },
      outcome: what,
      reason: error,
    });
  record(source.policy ? 'in force' : 'none in force');
  // While the manager was away, the policy may have become another.
  if (source.policy)
    for (const connection of components.connections.values()) reconsider(components, connection);
  source.onChange((error) => {
    record(error ? 'refused' : source.policy ? 'in force' : 'none in force', error);
    if (error) return;
    for (const connection of components.connections.values()) reconsider(components, connection);
    advertising
      .reconsider()
      .catch((failure: unknown) => logger.error({ err: failure }, 'endpoints were not looked at anew'));
  });
}

/** The facts of a pod of this node have changed, by which policies judge it. */
export function reconsiderPod(components: SignalComponents, inode: number): void {
  for (const connection of components.connections.values())
    if (connection.role !== 'ENDPOINT' && connection.client?.inode === inode)
      reconsider(components, connection);
}

function reconsider(components: SignalComponents, connection: Connection): void {
  if (isClosed(connection)) return;
  const verdict = verdictOf(components, connection);
  if (!verdict || verdict.allowed) return;
  const { reconciler, logger, audit } = components;
  const { id, role, service, requestId, endpoint, client } = connection;
  const { reason, rule } = verdict;
  logger.info({ connection: id, reason }, 'a connection is not allowed any more');
  audit.note({
    event: 'connection',
    who: client && subjectFields(client),
    what: { connection: id, service, request: requestId, endpoint: endpoint.name },
    outcome: 'not allowed any more',
    rule,
    reason,
  });
  // The client's manager looks for another endpoint; here it looks at once whether there is one.
  if (role === 'ENDPOINT') reconciler.end(id, reason, { tell: 'reconnect' });
  else if (hasAnother(components, connection)) lose(reconciler, connection, 'policy', reason);
  else reconciler.end(id, reason);
}

/** Undefined while its endpoint is not known: it is judged when it is connected elsewhere. */
function verdictOf(
  { gate, catalogue, endpoints, subjects }: SignalComponents,
  connection: Connection,
): Verdict | undefined {
  const { role, service, client, interface: chosen } = connection;
  const key = endpointKey(endpointOf(connection));
  const record =
    role === 'CLIENT'
      ? catalogue.of(service).find((one) => endpointKey(one) === key)
      : endpoints.get(key)?.record;
  if (!record || !client) return undefined;
  return gate.permits(role === 'ENDPOINT' ? client : subjects.again(client), record, chosen);
}

function hasAnother({ catalogue, subjects }: SignalComponents, connection: Connection): boolean {
  const { service, request, client } = connection;
  if (!request || !client) return false;
  const wanted = {
    service,
    labels: request.labels,
    interfaces: request.interface,
    client: subjects.again(client),
  };
  return catalogue.rank(wanted).some(({ usable }) => usable);
}
