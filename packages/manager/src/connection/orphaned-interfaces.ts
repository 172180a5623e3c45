// Removes interfaces of this manager on this node that belong to no connection: manager or forwarder was killed while
// it made them.
import type { Logger } from 'pino';
import type { Forwarder } from '../forwarder-client.js';
import type { Self } from '../self.js';
import type { ConnectionTable } from '../state/connection-table.js';

export interface OrphanComponents {
  readonly self: Pick<Self, 'idPrefix'>;
  readonly forwarder: Pick<Forwarder, 'list' | 'remove'>;
  readonly connections: Pick<ConnectionTable, 'byId'>;
  readonly logger: Pick<Logger, 'warn'>;
}

/** @returns the ids of all interfaces of this manager on this node. */
export async function removeOrphanedInterfaces(components: OrphanComponents): Promise<ReadonlySet<string>> {
  const { interfaces } = await components.forwarder.list({ idPrefix: components.self.idPrefix });
  const found = new Set(interfaces.map(({ id }) => id));
  const orphans = interfaces.filter(({ id }) => !components.connections.byId(id));
  if (orphans.length === 0) return found;
  components.logger.warn(
    { interfaces: orphans.map(({ id, name }) => ({ id, name })) },
    'removing interfaces that belong to no connection',
  );
  await components.forwarder.remove({
    crossConnects: orphans.map(({ id, namespace }) => ({
      id,
      ...(namespace ? { client: { namespace } } : {}),
    })),
  });
  return found;
}
