// What the kernel has of the mesh: all of this namespace's links, addresses and routes, and in pods those of the mesh alone.
import { listNamespaces, openNamespace, RouteSocket } from '@nsm/netlink';

/** The mesh's routes and rules (docs/operations.md). */
const ownProtocol = 78;
/** An interface of the mesh has the id of its connection as its alias. */
const connectionId = /^\S+:[0-9a-f]+-[0-9a-f]+$/;
/** Of more only the first are told. */
const most = { namespaces: 200, links: 500, routes: 2000 };

export function ownNetwork(): object {
  using socket = RouteSocket.open();
  return {
    links: socket.links().slice(0, most.links),
    addresses: socket.addresses(),
    routes: socket.routes().slice(0, most.routes),
    rules: socket.rules(),
  };
}

/**
 * Of each network namespace that has an interface of the mesh, by its name under /run/netns, or its inode.
 * @param isOurs whether a connection is the mesh's, by its id.
 */
export function* podNetworks(
  isOurs: (id: string) => boolean,
): Generator<readonly [name: string, network: object]> {
  for (const { names, inode, path } of listNamespaces().slice(0, most.namespaces)) {
    const name = names[0] ?? `${inode}`;
    try {
      using namespace = openNamespace(path);
      using socket = RouteSocket.open(namespace);
      const network = meshIn(socket, isOurs);
      if (network) yield [name, network];
    } catch {
      // The namespace has gone, or may not be entered.
    }
  }
}

function meshIn(socket: RouteSocket, isOurs: (id: string) => boolean): object | undefined {
  const links = socket.links().filter(({ alias = '' }) => connectionId.test(alias) && isOurs(alias));
  if (links.length === 0) return undefined;
  const indexes = new Set(links.map(({ index }) => index));
  const routes = socket.routes().filter((route) => route.device !== undefined && indexes.has(route.device));
  return {
    links,
    addresses: socket.addresses().filter(({ index }) => indexes.has(index)),
    routes: routes.slice(0, most.routes),
    rules: socket.rules().filter(({ protocol }) => protocol === ownProtocol),
  };
}
