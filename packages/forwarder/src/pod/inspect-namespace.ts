// Facts of a network namespace that a request names, and of the process that names it.
import type { forwarder as fw } from '@nsm/api';
import {
  administers,
  currentNamespace,
  IpPrefix,
  type NetworkNamespace,
  namespaceOfProcess,
  openNamespace,
  parseNamespaceReference,
  type RouteSocket,
} from '@nsm/netlink';
import { explain } from '../explain.js';
import { openPod } from '../port/open-pod.js';
import { namespaceCookie } from '../port/open-port.js';

export type NamespaceReport = {
  inode: number;
  path: string;
  prefixes: string[];
  cookie: bigint;
  node?: boolean;
  addresses?: string[];
  administered?: boolean;
};

export interface NamespaceInspection {
  namespace?: NamespaceReport;
  pidInode: number;
  pidCookie?: bigint;
  interfaces?: string[];
}

/**
 * @param cluster prefixes that its default route leads to.
 * @throws NsmError `namespace-unknown`, `invalid` or `privilege`
 */
export function inspectNamespace(
  { linuxNamespace, pid, inodeOnly, administered: asked, interfaces: named }: fw.InspectNamespaceRequest,
  cluster: readonly string[] = [],
): NamespaceInspection {
  if (inodeOnly) return identityOfProcess(pid);
  const pidInode = pid ? inodeOfProcess(pid) : 0;
  try {
    using namespace = openNamed(linuxNamespace, pid);
    using socket = openPod(namespace, asked ? 'endpoint' : 'client');
    const { inode, path } = namespace;
    using own = currentNamespace();
    const node = own.inode === inode;
    const addresses = node ? socket.addresses().map(({ address }) => IpPrefix.of(address).address) : [];
    const prefixes = [...prefixesOf(socket), ...cluster];
    return {
      namespace: {
        inode,
        path,
        prefixes,
        cookie: namespaceCookie(socket),
        node,
        addresses,
        administered: asked && pid > 0 && administers(pid, namespace),
      },
      pidInode,
      ...(named ? { interfaces: socket.links().flatMap(({ name, altNames }) => [name, ...altNames]) } : {}),
    };
  } catch (error) {
    throw explain(error);
  }
}

/**
 * The prefixes that are routed; default routes exclude nothing. An IPv4 address that is alone in its network has no route in the
 * main table, but a route to itself in the local table.
 */
function prefixesOf(socket: RouteSocket): string[] {
  const routes = socket.routes({ table: 'all' });
  const main = routes.filter(({ table, destination }) => table === 'main' && destination !== 'default');
  const connected = new Set(
    main.flatMap(({ protocol, family, device }) =>
      protocol === 'kernel' && family === 'ipv4' ? [device] : [],
    ),
  );
  const alone = routes.filter(
    ({ table, type, family, device, destination }) =>
      table === 'local' &&
      type === 'local' &&
      family === 'ipv4' &&
      !connected.has(device) &&
      !destination.startsWith('127.'),
  );
  return [...new Set([...main, ...alone].map(({ destination }) => destination))];
}

/** The namespace that a caller names: most often the caller's own, which is tried before any search. */
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

/** 0 when it no longer runs. */
function identityOfProcess(pid: number): { pidInode: number; pidCookie: bigint } {
  try {
    using namespace = openNamespace({ pid });
    using socket = openPod(namespace);
    return { pidInode: namespace.inode, pidCookie: namespaceCookie(socket) };
  } catch {
    return { pidInode: 0, pidCookie: 0n };
  }
}
