// A netlink socket in the network namespace of a pod, which may have made its tables as large as it likes.
import { currentNamespace, type NetworkNamespace, RouteSocket } from '@nsm/netlink';

/**
 * Entries of a table of a pod that are read, all readings of a table that changes meanwhile together: this thread is every pod's.
 * 32,768 routes take it 0.1 s, several times for each connection; an endpoint has some for each of its clients. The node's own
 * tables are read whole.
 */
const most = { client: 32_768, endpoint: 131_072 } as const;

/** @param side 'client' where the pod asks for a connection. @throws NetlinkError, NamespaceError */
export function openPod(namespace: NetworkNamespace, side: 'client' | 'endpoint' = 'endpoint'): RouteSocket {
  using own = currentNamespace();
  return RouteSocket.open(namespace, own.inode === namespace.inode ? undefined : most[side]);
}
