// The connections that a pod has, whoever asked for them.
import type { Connection } from '@nsm/manager';

/** Of each key the newest that is to be: while one replaces another, both stand. */
export function podConnections(connections: Iterable<Connection>, inode: number): Connection[] {
  const newest = new Map<string, Connection>();
  for (const connection of connections) {
    if (connection.role === 'ENDPOINT' || connection.owner?.namespace !== inode) continue;
    if (connection.intent.kind === 'closed') continue;
    const other = newest.get(connection.key);
    if (!other || other.generation < connection.generation) newest.set(connection.key, connection);
  }
  return [...newest.values()];
}
