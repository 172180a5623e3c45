// Every change of a connection and every record of the registry, as lines of the audit log.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { endpointFields, subjectFields } from '../audit/audit.js';
import { type Connection, detailOf, stateOf } from '../state/connection.js';
import type { SignalComponents } from './components.js';

/** Listens until the manager stops; not at all without an audit log. */
export function recordChanges(components: SignalComponents): void {
  if (!components.audit.isOn) return;
  void recordConnections(components);
  recordRegistry(components);
}

async function recordConnections({ connections, audit, stopping }: SignalComponents): Promise<void> {
  const states = new Map<string, string>();
  let synced = false;
  for await (const change of connections.watch(stopping)) {
    if (change.kind === 'synced') {
      synced = true;
      continue;
    }
    const { connection } = change;
    const { id } = connection;
    const state = change.kind === 'removed' ? 'REMOVED' : stateOf(connection);
    const before = states.get(id);
    if (change.kind === 'removed') states.delete(id);
    else states.set(id, state);
    if (state === before || !synced) continue;
    audit.note({
      event: 'connection',
      who: connection.client && subjectFields(connection.client),
      what: connectionFields(connection),
      outcome: state,
      reason: change.kind === 'removed' ? change.reason : detailOf(connection),
    });
  }
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
  const managers = new Map<string, string>();
  /** Who provides each endpoint: its removal names only the endpoint. */
  const providers = new Map<string, NetworkServiceEndpoint['provider']>();
  const watch = registry.watch(({ event }) => {
    switch (event.case) {
      case 'endpointPut': {
        const { provider } = event.value;
        providers.set(endpointKey(event.value), provider);
        audit.note({
          event: 'endpoint',
          who: provider && subjectFields(provider),
          what: endpointFields(event.value),
          outcome: 'registered',
        });
        return;
      }
      case 'endpointRemoved': {
        const { networkServiceName: service, nseProviderName: endpoint } = event.value;
        const key = endpointKey(event.value);
        const provider = providers.get(key);
        providers.delete(key);
        audit.note({
          event: 'endpoint',
          who: provider && subjectFields(provider),
          what: { service, endpoint },
          outcome: 'removed',
        });
        return;
      }
      case 'managerPut': {
        const { name, address, alive, stopped, drained } = event.value;
        const state = alive ? (drained ? 'drained' : 'joined') : stopped ? 'stopped' : 'silent';
        // Leases are renewed all the time.
        if (managers.get(name) === `${address} ${state}`) return;
        managers.set(name, `${address} ${state}`);
        return audit.note({ event: 'manager', what: { name, address }, outcome: state });
      }
      case 'managerRemoved':
        managers.delete(event.value);
        return audit.note({ event: 'manager', what: { name: event.value }, outcome: 'removed' });
    }
  });
  stopping.addEventListener('abort', () => watch[Symbol.dispose](), { once: true });
}
