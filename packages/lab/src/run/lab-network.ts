// The namespaces and links of a lab, in the kernel.
import { existsSync, rmdirSync, writeFileSync } from 'node:fs';
import {
  createNamespace,
  deleteNamespace,
  libc,
  listNamespaces,
  NAMESPACE_DIRECTORY,
  type NetworkNamespace,
  openNamespace,
  RouteSocket,
} from '@nsm/netlink';
import type { Member, Plan } from '../plan/plan.js';
import type { Network } from '../plan/plan-networks.js';

const pathOf = (namespace: string): string => `${NAMESPACE_DIRECTORY}/${namespace}`;
const bridgeName = 'bridge';

/** Members whose namespace exists. */
export const existingMembers = (plan: Plan): Member[] =>
  plan.members.filter(({ namespace }) => existsSync(pathOf(namespace)));

/** Makes everything, member after member, then network after network. @throws NamespaceError, NetlinkError */
export function buildNetworks(plan: Plan): void {
  for (const { namespace: name } of plan.members) {
    createNamespace(name);
    using namespace = openNamespace(pathOf(name));
    setUpNamespace(namespace);
  }
  for (const network of plan.networks) buildNetwork(network);
}

function setUpNamespace(namespace: NetworkNamespace): void {
  // Before any link is up: none of them shall spend seconds on duplicate address detection or router discovery.
  const sysctls = { accept_dad: 0, dad_transmits: 0, accept_ra: 0 };
  namespace.run(() => {
    for (const [name, value] of Object.entries(sysctls))
      for (const scope of ['all', 'default']) {
        const path = `/proc/sys/net/ipv6/conf/${scope}/${name}`;
        // A kernel without IPv6 has none of them.
        if (existsSync(path)) writeFileSync(path, String(value));
      }
  });
  using socket = RouteSocket.open(namespace);
  socket.setLink('lo', { up: true });
}

function buildNetwork(network: Network): void {
  using home = openNamespace(pathOf(network.namespace));
  using socket = RouteSocket.open(home);
  const bridge = socket.createLink({ kind: 'bridge', name: bridgeName, mtu: network.mtu, up: true });
  for (const address of network.addresses) socket.addAddress(bridge.index, { address, nodad: true });
  for (const plug of network.plugs) {
    using namespace = openNamespace(pathOf(plug.namespace));
    socket.addLink({
      kind: 'veth',
      name: plug.port,
      mtu: network.mtu,
      master: bridge.index,
      up: true,
      peer: { name: plug.interface, namespace, mtu: network.mtu, up: true },
    });
    using inside = RouteSocket.open(namespace);
    const device = inside.link(plug.interface)?.index ?? 0;
    for (const address of plug.addresses) inside.addAddress(device, { address, nodad: true });
    for (const gateway of plug.gateways) inside.addRoute({ destination: 'default', gateway, device });
  }
}

/** What of a lab's namespaces is still there after they were removed. */
export interface Remainder {
  readonly namespaces: readonly string[];
  /** Processes that live on in one of them, none of which the lab started. */
  readonly pids: readonly number[];
}

/** Removes the names; with the last process in them the namespaces go, and every device with them. */
export function removeNamespaces(plan: Plan): Remainder {
  const inodes = new Set<number>();
  for (const { namespace: name } of existingMembers(plan)) {
    try {
      using namespace = openNamespace(pathOf(name));
      inodes.add(namespace.inode);
    } catch {
      // A file without its mount, from a crash halfway: only the name is there to be removed.
    }
    deleteNamespace(name);
  }
  return {
    namespaces: existingMembers(plan).map(({ namespace }) => namespace),
    pids: listNamespaces()
      .filter(({ inode }) => inodes.has(inode))
      .flatMap(({ pids }) => pids),
  };
}

export const namespaceDirectoryExists = (): boolean => existsSync(NAMESPACE_DIRECTORY);

/** Takes away an empty /run/netns, which is a mount point of its own (ip-netns(8)); nothing happens if it is in use. */
export function removeNamespaceDirectory(): void {
  if (libc.umount(NAMESPACE_DIRECTORY, 0) < 0) return;
  try {
    rmdirSync(NAMESPACE_DIRECTORY);
  } catch {
    // Not empty, or not ours: a folder below the mount stays as it was.
  }
}
