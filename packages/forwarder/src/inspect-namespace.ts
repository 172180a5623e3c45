// What is to be known of a network namespace that somebody names, and of the process that names it.
import type { forwarder as fw } from '@nsm/api';
import {
  IpPrefix,
  type NetworkNamespace,
  namespaceOfProcess,
  openNamespace,
  parseNamespaceReference,
  RouteSocket,
} from '@nsm/netlink';
import { explain } from './explain.js';
import { namespaceCookie } from './open-port.js';

type NetworkReport = Pick<fw.Network, 'prefix' | 'interface' | 'id'>;
export type NamespaceReport = {
  inode: number;
  path: string;
  prefixes: string[];
  cookie: bigint;
  networks: NetworkReport[];
};

/** @throws NsmError `namespace-unknown`, `invalid` or `privilege` */
export function inspectNamespace({ linuxNamespace, pid, inodeOnly }: fw.InspectNamespaceRequest): {
  namespace?: NamespaceReport;
  pidInode: number;
} {
  const pidInode = pid ? inodeOfProcess(pid) : 0;
  if (inodeOnly) return { pidInode };
  try {
    using namespace = openNamed(linuxNamespace, pid);
    using socket = RouteSocket.open(namespace);
    // Default routes exclude nothing.
    const routed = socket
      .routes()
      .flatMap(({ destination }) => (destination === 'default' ? [] : [destination]));
    const networks = networksOf(socket);
    const { inode, path } = namespace;
    // A single address has no route.
    const prefixes = [...new Set([...routed, ...networks.map(({ prefix }) => prefix)])];
    return { namespace: { inode, path, prefixes, cookie: namespaceCookie(socket), networks }, pidInode };
  } catch (error) {
    throw explain(error);
  }
}

/** An address of lo makes no network, and every interface is in the link-local one. */
function networksOf(socket: RouteSocket): NetworkReport[] {
  const links = new Map(socket.links().map((link) => [link.index, link]));
  return socket.addresses().flatMap(({ index, family, address, peer, prefixLength, scope }) => {
    const { name = `#${index}`, alias = '' } = links.get(index) ?? {};
    if (name === 'lo' || (family === 'ipv6' && scope === 'link')) return [];
    // The network of a point-to-point address is its peer's (ip-address(8)).
    const networks = [IpPrefix.of(peer === undefined ? address : `${peer}/${prefixLength}`).network];
    if (peer !== undefined) networks.push(IpPrefix.of(address).host);
    return networks.map((network) => ({ prefix: String(network), interface: name, id: alias }));
  });
}

/** The namespace a caller names: it is most often its own, so that is looked at before any search. */
function openNamed(reference: string, pid: number): NetworkNamespace {
  const own = `/proc/${pid}/ns/net`;
  if (reference === '' || reference === '/proc/self/ns/net') return openNamespace(own);
  const parsed = parseNamespaceReference(reference);
  if (parsed.kind !== 'inode') return openNamespace(reference);
  return openNamespace(pid ? { inode: parsed.inode, hint: own } : { inode: parsed.inode });
}

/** 0 when it no longer runs. */
function inodeOfProcess(pid: number): number {
  try {
    return namespaceOfProcess(pid);
  } catch {
    return 0;
  }
}
