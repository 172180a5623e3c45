// A connection is moved from an endpoint that it can no longer rely on to another one, make before break: while that is tried
// it stays as it is, and where nobody can take it, it stays for good.
import { InterfaceType, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { clientNamespace, type Node } from '../node.js';
import { establish } from '../request/establish.js';
import { closeReplaced, type ReplacingOptions, takeOver } from '../request/settling.js';
import { type Connection, isInPlace } from '../state/connection.js';

/** Only what the kernel drives can be there twice; an application that is attached by a socket has to be told of another. */
export function canMove(connection: Connection): boolean {
  const { role, crossConnect } = connection;
  const isKernels = crossConnect.client?.type === InterfaceType.KERNEL_INTERFACE;
  return role !== 'ENDPOINT' && isKernels && isInPlace(connection);
}

/**
 * Moves a client's connection to an endpoint that is not to be avoided: same interface name and, where the new endpoint
 * allows, same addresses.
 * @throws NsmError when nobody else can take it; then it is as before.
 */
export async function move(
  node: Node,
  id: string,
  reason: string,
  avoid: (endpoint: NetworkServiceEndpoint) => boolean,
  options: ReplacingOptions = {},
): Promise<void> {
  const { key } = node.connections.byId(id) ?? {};
  if (key === undefined) return;
  await node.mutex.run(key, async () => {
    const present = node.connections.byId(id);
    if (!present || !canMove(present)) return;
    const { request, owner, fingerprint, generation, pairs, clientParameters, crossConnect } = present;
    if (!request || !owner) throw new NsmError('internal', `${id} has no client to move`);
    const namespace = await clientNamespace(node, present);
    if (!namespace) throw new NsmError('namespace-unknown', 'the network namespace of the client is gone');
    await closeReplaced(node, present);
    const { interfaceName, mtu } = clientParameters;
    const moved = await establish(
      node,
      {
        ...{ request, key, fingerprint, owner, namespace, avoid },
        uid: crossConnect.client?.uid ?? 0,
        generation: generation + 1,
        beside: present,
        former: { pairs, interfaceName, interface: present.interface, mtu },
      },
      AbortSignal.any([node.stopping, AbortSignal.timeout(node.requestTimeout)]),
    );
    node.logger.info({ connection: id, to: moved.id, endpoint: moved.endpoint.name, reason }, 'moved');
    await takeOver(node, moved, { reason: `moved to ${moved.id}: ${reason}`, ...options });
  });
}
