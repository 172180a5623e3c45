// What another manager says of connections that the two share, and what it asks about them.
import type { proxy } from '@nsm/api';
import { type Connection, isClosed, proxyKey } from '../state/connection.js';
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
  request: proxy.CloseProxyConnectionRequest,
): Promise<void> {
  const own = connections.byId(request.connectionId);
  const client = own?.role === 'CLIENT' ? own : undefined;
  const key = client?.key ?? proxyKey(request);
  const half = client ?? connections.byKey(key);
  // What is closing already may be waiting for the very manager that calls.
  if (half && isClosed(half)) return;
  // A client that was connected elsewhere meanwhile is no longer that manager's to close.
  if (client && request.managerName !== '' && request.managerName !== client.peer?.manager) return;
  const reason = wordsOf(request);
  if (client && request.reconnect)
    return isMeant(client, request) ? lose(reconciler, client, reason) : undefined;
  // In turn, so that a half still being made is waited for and then closed.
  await reconciler.order(key, {
    kind: 'close',
    reason,
    tell: 'nobody',
    concerns: (connection) => (!client || connection.id === client.id) && isMeant(connection, request),
  });
}

/** Not when the connection has been made anew since: what was long on its way is about its former self. */
function isMeant({ halfId = '' }: Connection, { halfId: meant }: proxy.CloseProxyConnectionRequest): boolean {
  return meant === '' || halfId === '' || meant === halfId;
}

/**
 * The endpoint of one of this node's clients is about to go.
 * @throws NsmError when no other endpoint can take the client.
 */
export async function moveProxyConnection(
  components: SignalComponents,
  { connectionId, managerName, reason }: proxy.MoveConnectionRequest,
): Promise<void> {
  const own = components.connections.byId(connectionId);
  // Moved already, or not that manager's to move.
  if (own?.role !== 'CLIENT' || own.peer?.manager !== managerName) return;
  await moveAway(components, own.id, wordsOf({ reason }));
}

/** Whether this manager has its half of a connection with another, and both mean the same tunnel, or is about to have it. */
export function sharesConnection(
  components: SignalComponents,
  { connectionId, tunnelIdentifier }: proxy.SharedConnection,
  manager: string,
): boolean {
  if (components.peers.isAsking(connectionId)) return true;
  const half = halfOf(components, connectionId);
  const same = half?.peer?.manager === manager && (half.tunnel?.identifier ?? 0) === tunnelIdentifier;
  return same && !isClosed(half);
}

/** A connection whose half here was ended for good, of which the other manager has not heard. */
export function endedConnection(
  components: SignalComponents,
  connectionId: string,
  manager: string,
): { readonly connectionId: string; readonly reason: string } | undefined {
  const half = halfOf(components, connectionId);
  if (half?.peer?.manager !== manager || half.intent.kind !== 'closed') return undefined;
  const { tell, reason } = half.intent;
  return tell === 'peer' ? { connectionId, reason } : undefined;
}

/** This node's half of a connection that its client's manager calls so. */
function halfOf(components: SignalComponents, connectionId: string): Connection | undefined {
  const own = components.connections.byId(connectionId);
  return own?.role === 'CLIENT' ? own : components.connections.byKey(`proxy ${connectionId}`);
}
