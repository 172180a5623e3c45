// Removes interfaces of this manager on this node that belong to no connection: what it, or its forwarder, was making when it was
// killed.
import type { Node } from '../node.js';

/** @returns the ids of all interfaces that it found. */
export async function removeStrays(node: Node): Promise<ReadonlySet<string>> {
  const { interfaces } = await node.forwarder.list({ idPrefix: node.idPrefix });
  const found = new Set(interfaces.map(({ id }) => id));
  const strays = interfaces.filter(({ id }) => !node.connections.byId(id));
  if (strays.length === 0) return found;
  node.logger.warn(
    { interfaces: strays.map(({ id, name }) => ({ id, name })) },
    'removing interfaces that belong to no connection',
  );
  await node.forwarder.remove({
    crossConnects: strays.map(({ id, namespace }) => ({
      id,
      ...(namespace ? { client: { namespace } } : {}),
    })),
  });
  return found;
}
