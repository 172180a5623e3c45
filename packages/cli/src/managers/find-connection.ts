// The one connection that a command names.
import { abbreviatedList, type admin, NsmError } from '@nsm/api';
import type { AdminClient } from './admin-client.js';

type Named = Pick<admin.Connection, 'id' | 'requestId'>;

/** @throws NsmError as `namedConnection` */
export async function findConnection(client: AdminClient, name: string): Promise<admin.Connection> {
  return namedConnection((await client.listConnections({})).connections, name);
}

/** @throws NsmError as `namedConnections`, and `invalid` when there are several. */
export function namedConnection<T extends Named>(connections: readonly T[], name: string): T {
  const [connection, ...others] = namedConnections(connections, name);
  if (connection && others.length === 0) return connection;
  const several = listed(connection ? [connection, ...others] : others);
  throw new NsmError('invalid', `"${name}" names several connections: ${several}`);
}

/**
 * @param name id of a connection, or of the request that several may have come of; or how an id begins, with its manager's part or
 * without.
 * @returns at least one.
 * @throws NsmError `not-found` when there is none.
 */
export function namedConnections<T extends Named>(connections: readonly T[], name: string): readonly T[] {
  const exact = connections.filter(({ id, requestId }) => id === name || requestId === name);
  const found = exact.length > 0 ? exact : connections.filter(({ id }) => beginsWith(id, name));
  if (found.length > 0) return found;
  const known = connections.length > 0 ? `known: ${listed(connections)}` : 'there is none on this node';
  throw new NsmError('not-found', `no connection "${name}"; ${known}`);
}

/** An id is MANAGER:NODE-OWN, of which the last part alone tells connections of a node apart. */
function beginsWith(id: string, name: string): boolean {
  return id.startsWith(name) || id.slice(id.lastIndexOf('-') + 1).startsWith(name);
}

function listed(connections: readonly Named[]): string {
  return abbreviatedList(connections.map(({ id, requestId }) => `${id} (request ${requestId})`));
}
