// The connections that a pod has, whoever asked for them.
import type { Connection } from '@nsm/manager';

/**
 * Of each key the newest that is meant to be: while one replaces another, both stand.
 * @param inode of the pod's network namespace.
 */
export function podConnections(connections: Iterable<Connection>, inode: number): Connection[] {
  return newestOf(connections, inode, () => true);
}

/** Of each key what the pod can use: until a connection has taken the place of another, that is the other. */
export function usableConnections(connections: Iterable<Connection>, inode: number): Connection[] {
  return newestOf(
    connections,
    inode,
    ({ phase, replaces }) => phase.kind !== 'CONNECTING' && replaces === undefined,
  );
}

function newestOf(
  connections: Iterable<Connection>,
  inode: number,
  counts: (connection: Connection) => boolean,
): Connection[] {
  const newest = new Map<string, Connection>();
  for (const connection of connections) {
    if (connection.role === 'ENDPOINT' || connection.owner?.namespace !== inode) continue;
    if (connection.intent.kind === 'closed' || !counts(connection)) continue;
    const other = newest.get(connection.key);
    if (!other || other.generation < connection.generation) newest.set(connection.key, connection);
  }
  return [...newest.values()];
}
