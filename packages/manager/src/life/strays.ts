// Removes interfaces of this manager on this node that belong to no connection: what it, or its forwarder, was making when it was
// killed.
import type { Node } from '../node.js';

export async function removeStrays(node: Node): Promise<void> {
  const { interfaces } = await node.forwarder.list({ idPrefix: node.idPrefix });
  const strays = interfaces.filter(({ id }) => !node.connections.byId(id));
  if (strays.length === 0) return;
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
}
