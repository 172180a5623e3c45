// What another manager says of connections that the two share, and what it asks about them.
import type { proxy } from '@nsm/api';
import { type CallingManager, means } from '../admission/calling-manager.js';
import { isClosed, proxyKey } from '../state/connection.js';
import { wordsOf } from '../untrusted-text.js';
import type { SignalComponents } from './components.js';
import { moveAway } from './leaving.js';
import { lose } from './losses.js';

/**
 * The other manager's half of a connection has ended: this node's half goes too, or finds another endpoint when only
 * the endpoint was lost. What is unknown has already gone.
 */
export async function closeProxyConnection(
  { connections, reconciler }: SignalComponents,
  caller: CallingManager,
  request: proxy.CloseProxyConnectionRequest,
  traceparent: string | undefined,
): Promise<void> {
  const own = connections.byId(request.connectionId);
  const client = own?.role === 'CLIENT' ? own : undefined;
  const key = client?.key ?? proxyKey({ ...request, clientManagerName: caller.name });
  const half = client ?? connections.byKey(key);
  // What is closing already may be waiting for the very manager that calls.
  if (half && isClosed(half)) return;
  // A client that was connected elsewhere meanwhile is no longer that manager's to close.
  if (client && client.peer?.manager !== caller.name) return;
  const reason = wordsOf(request);
  if (client && request.reconnect)
    return means(caller, client, request.halfId) ? lose(reconciler, client, 'endpoint', reason) : undefined;
  // In turn, so that a half still being made is waited for and then closed.
  await reconciler.order(key, {
    kind: 'close',
    reason,
    traceparent,
    tell: 'nobody',
    concerns: (connection) =>
      (!client || connection.id === client.id) && means(caller, connection, request.halfId),
  });
}

/**
 * The endpoint of one of this node's clients is about to go.
 * @throws NsmError when no other endpoint can take the client.
 */
export async function moveProxyConnection(
  components: SignalComponents,
  caller: CallingManager,
  { connectionId, halfId, reason }: proxy.MoveConnectionRequest,
): Promise<void> {
  const own = components.connections.byId(connectionId);
  // Moved already, or not that manager's to move.
  if (own?.role !== 'CLIENT' || !means(caller, own, halfId)) return;
  await moveAway(components, own.id, wordsOf({ reason }));
}

/** Whether this manager has its half of a connection with another, and both mean the same tunnel, or is about to have it. */
export function sharesConnection(
  components: SignalComponents,
  { name }: CallingManager,
  { connectionId, tunnelIdentifier, halfId }: proxy.SharedConnection,
): boolean {
  if (components.peers.isAsking(connectionId)) return true;
  const half = components.connections.halfOf(connectionId);
  const same = half?.peer?.manager === name && (half.tunnel?.identifier ?? 0) === tunnelIdentifier;
  // A manager of an earlier version asks without.
  return same && !isClosed(half) && (halfId === '' || !half.halfId || halfId === half.halfId);
}

/** A connection whose half on this node was ended for good without the other manager having heard. */
export function endedConnection(
  components: SignalComponents,
  { name }: CallingManager,
  { connectionId }: Pick<proxy.SharedConnection, 'connectionId'>,
): { readonly connectionId: string; readonly reason: string } | undefined {
  const half = components.connections.halfOf(connectionId);
  if (half?.peer?.manager !== name || half.intent.kind !== 'closed') return undefined;
  const { tell, reason } = half.intent;
  return tell === 'peer' ? { connectionId, reason } : undefined;
}
