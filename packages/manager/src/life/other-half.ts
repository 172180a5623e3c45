// What another manager says of connections that the two share, and what it asks about them.
import type { proxy } from '@nsm/api';
import type { Node } from '../node.js';
import { proxyKey } from '../request/proxy-requests.js';
import type { Connection } from '../state/connection.js';
import { closeConnection } from './closing.js';
import { heal } from './healing.js';
import { moveAway } from './leaving.js';

/**
 * The other manager's half of a connection has ended: this node's half goes too, or finds another endpoint when only
 * the endpoint was lost. What is unknown has already gone.
 */
export async function closeProxyConnection(
  node: Node,
  request: proxy.CloseProxyConnectionRequest,
): Promise<void> {
  const own = node.connections.byId(request.connectionId);
  if (own?.role === 'CLIENT') return closeClientSide(node, own, request);
  const key = proxyKey(request);
  // What is closing already may be waiting for the very manager that calls.
  if (node.connections.byKey(key)?.state.kind === 'CLOSING') return;
  // Under the key, so that a half still being made is waited for and then closed.
  await node.mutex.run(key, async () => {
    const half = node.connections.byKey(key);
    if (half && isMeant(half, request))
      await closeConnection(node, half, wordsOf(request), { tellPeer: false });
  });
}

async function closeClientSide(
  node: Node,
  own: Connection,
  request: proxy.CloseProxyConnectionRequest,
): Promise<void> {
  const { id, key, state, peer } = own;
  if (state.kind === 'CLOSING') return;
  // A client that was connected elsewhere meanwhile is no longer that manager's to close.
  if (request.managerName !== '' && request.managerName !== peer?.manager) return;
  if (request.reconnect) return isMeant(own, request) ? heal(node, id, wordsOf(request)) : undefined;
  await node.mutex.run(key, async () => {
    const connection = node.connections.byId(id);
    if (connection && isMeant(connection, request))
      await closeConnection(node, connection, wordsOf(request), { tellPeer: false });
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
  node: Node,
  { connectionId, managerName, reason }: proxy.MoveConnectionRequest,
): Promise<void> {
  const own = node.connections.byId(connectionId);
  // Moved already, or not that manager's to move.
  if (own?.role !== 'CLIENT' || own.peer?.manager !== managerName) return;
  await moveAway(node, own.id, wordsOf({ reason }));
}

/** Whether this manager has its half of a connection with another, and both mean the same tunnel, or is about to have it. */
export function sharesConnection(
  node: Node,
  { connectionId, tunnelIdentifier }: proxy.SharedConnection,
  manager: string,
): boolean {
  if (node.asking.has(connectionId)) return true;
  const half = halfOf(node, connectionId);
  const same = half?.peer?.manager === manager && (half.tunnel?.identifier ?? 0) === tunnelIdentifier;
  return same && half.state.kind !== 'CLOSING';
}

/** A connection whose half here was ended for good, of which the other manager has not heard. */
export function endedConnection(
  node: Node,
  connectionId: string,
  manager: string,
): { readonly connectionId: string; readonly reason: string } | undefined {
  const half = halfOf(node, connectionId);
  if (half?.peer?.manager !== manager || half.state.kind !== 'CLOSING') return undefined;
  const { tellPeer, reconnect, reason } = half.state;
  return tellPeer && !reconnect ? { connectionId, reason } : undefined;
}

/** This node's half of a connection that its client's manager calls so. */
function halfOf(node: Node, connectionId: string): Connection | undefined {
  const own = node.connections.byId(connectionId);
  return own?.role === 'CLIENT' ? own : node.connections.byKey(`proxy ${connectionId}`);
}

export function wordsOf({ reason }: { readonly reason: string }): string {
  return reason === '' ? 'closed by the other manager' : reason.slice(0, 1024);
}
