// What one pod may have of what is there for all pods of a node.
import { NsmError } from '@nsm/api';

/**
 * Connections of one pod. Each is a device or two, an entry in maps that hold 65,536 tunnels of the whole node, an address of the
 * service's prefix: for all pods, and for none to take away.
 */
const maxOfPod = 1024;

/**
 * @param namespace inode of the pod's network namespace.
 * @param own connections that the pod has.
 * @throws NsmError `overload` when the pod may have no more
 */
export function requireShare(namespace: number, own: number): void {
  if (own < maxOfPod) return;
  throw new NsmError(
    'overload',
    `the pod of network namespace ${namespace} has ${own} connections, as many as one pod may have: close some`,
  );
}
