// What is to be known of a network namespace that somebody names, and of the process that names it.
import type { forwarder as fw } from '@nsm/api';
import {
  currentNamespace,
  type NetworkNamespace,
  namespaceOfProcess,
  openNamespace,
  parseNamespaceReference,
  RouteSocket,
} from '@nsm/netlink';
import { explain } from './explain.js';
import { namespaceCookie } from './open-port.js';

export type NamespaceReport = {
  inode: number;
  path: string;
  prefixes: string[];
  cookie: bigint;
  node?: boolean;
  addresses?: string[];
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
    const prefixes = socket
      .routes()
      .flatMap(({ destination }) => (destination === 'default' ? [] : [destination]));
    const { inode, path } = namespace;
    using own = currentNamespace();
    const node = own.inode === inode;
    const addresses = node ? socket.addresses().map(({ address }) => address.replace(/\/\d+$/, '')) : [];
    return {
      namespace: { inode, path, prefixes, cookie: namespaceCookie(socket), node, addresses },
      pidInode,
    };
  } catch (error) {
    throw explain(error);
  }
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
