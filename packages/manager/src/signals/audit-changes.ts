// Every change of a connection and every record of the registry, as lines of the audit log.
import type { registry as reg } from '@nsm/api';
import { endpointFields, subjectFields } from '../audit/audit.js';
import { type Connection, detailOf, stateOf } from '../state/connection.js';
import type { SignalComponents } from './components.js';
import { watchRecords } from './registry-changes.js';

/** Listens until the manager stops; not at all without an audit log. */
export function recordChanges(components: SignalComponents): void {
  if (!components.audit.isOn) return;
  recordConnections(components);
  recordRegistry(components);
}

function recordConnections({ connections, audit, stopping }: SignalComponents): void {
  const states = new Map<string, string>([...connections.values()].map((one) => [one.id, stateOf(one)]));
  const listening = connections.onChange((change) => {
    const { connection } = change;
    const { id } = connection;
    const state = change.kind === 'removed' ? 'REMOVED' : stateOf(connection);
    const before = states.get(id);
    if (change.kind === 'removed') states.delete(id);
    else states.set(id, state);
    if (state === before) return;
    audit.note({
      event: 'connection',
      who: connection.client && subjectFields(connection.client),
      what: connectionFields(connection),
      outcome: state,
      reason: change.kind === 'removed' ? change.reason : detailOf(connection),
    });
  });
  stopping.addEventListener('abort', () => listening[Symbol.dispose](), { once: true });
}

function connectionFields({ id, service, requestId, endpoint, peer, role, replaces }: Connection) {
  return {
    connection: id,
    role,
    service,
    request: requestId,
    endpoint: endpoint.name,
    ...(peer ? { peer: peer.manager, peerConnection: peer.connectionId } : {}),
    ...(replaces ? { replaces: replaces.id } : {}),
  };
}

/** As this manager sees it: what others have written, too. */
function recordRegistry({ registry, audit, stopping }: SignalComponents): void {
  const watch = watchRecords(registry, (change) => {
    if (change.about === 'endpoint') {
      const { kind, record } = change;
      const { provider, networkServiceName: service, nseProviderName: endpoint } = record;
      audit.note({
        event: 'endpoint',
        who: provider && subjectFields(provider),
        what: kind === 'removed' ? { service, endpoint } : endpointFields(record),
        outcome: kind === 'removed' ? 'removed' : 'registered',
      });
      return;
    }
    const { kind, record, former } = change;
    const { name, address } = record;
    if (kind === 'removed') audit.note({ event: 'manager', what: { name }, outcome: 'removed' });
    // Leases are renewed all the time.
    else if (former?.address !== address || stateOfManager(former) !== stateOfManager(record))
      audit.note({ event: 'manager', what: { name, address }, outcome: stateOfManager(record) });
  });
  stopping.addEventListener('abort', () => watch[Symbol.dispose](), { once: true });
}

function stateOfManager({ alive, stopped, drained }: reg.Manager): string {
  if (alive) return drained ? 'drained' : 'joined';
  return stopped ? 'stopped' : 'silent';
}
