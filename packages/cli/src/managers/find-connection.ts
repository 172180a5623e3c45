// The one connection that a command names.
import { abbreviatedList, type admin, NsmError } from '@nsm/api';
import type { AdminClient } from './admin-client.js';

/**
 * @param name id of a connection, or of the request that it came of.
 * @throws NsmError `not-found` when there is none, `invalid` when there are several.
 */
export async function findConnection(client: AdminClient, name: string): Promise<admin.Connection> {
  const { connections } = await client.listConnections({});
  const ids = (of: readonly admin.Connection[]): string => abbreviatedList(of.map(({ id }) => id));
  const found = connections.filter(({ id, requestId }) => id === name || requestId === name);
  const [connection] = found;
  if (connection && found.length === 1) return connection;
  if (connection)
    throw new NsmError('invalid', `request id "${name}" has several connections: ${ids(found)}`);
  const known = connections.length > 0 ? `known: ${ids(connections)}` : 'there is none on this node';
  throw new NsmError('not-found', `no connection "${name}"; ${known}`);
}
