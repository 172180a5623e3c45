// Deletes devices, so many in one wait of the kernel as there are to delete.
import {
  currentNamespace,
  type Link,
  listNamespaces,
  NamespaceError,
  NetlinkError,
  openNamespace,
  RouteSocket,
} from '@nsm/netlink';
import { removalGroup, scaffolding, unlessGone } from '../port/device-groups.js';

/** What a deletion needs to know: any device in the namespace that carries the id. */
export interface Condemned {
  readonly id: string;
  readonly inode: number;
  /** Where the namespace was found; a hint. */
  readonly path: string;
  /** Name of the device; a hint. */
  readonly name: string;
  /** The device's alias: of a pod's device, the cross-connect's id. */
  readonly alias: string;
  /** No other device takes this device along when it goes, wherever the device was moved. */
  readonly alone?: boolean;
}

/** Why a device could not be deleted. */
export interface Failure {
  readonly message: string;
  /** Of a NetlinkError. */
  readonly code?: string;
  readonly operation?: string;
}

/**
 * Takes the calling thread as long as the kernel takes.
 * @param node socket of the node's own namespace.
 * @returns for each id that could not be deleted, why.
 */
export function deleteDevices(node: RouteSocket, batch: readonly Condemned[]): ReadonlyMap<string, Failure> {
  const home = inodeOfHome();
  const failures = new Map<string, Failure>();
  const namespaces = byNamespace(batch);
  const bridge = namespaces.size > 1 ? openRemovalBridge(node) : undefined;
  const missing: Condemned[] = [];
  const fail = (condemned: readonly Condemned[], error: unknown): void => {
    for (const { id } of condemned) failures.set(id, failureOf(error));
  };
  for (const [inode, condemned] of namespaces) {
    try {
      if (inode === home) {
        deleteTogether(node, find(node, condemned));
        continue;
      }
      using namespace = openNamespace({ inode, hint: condemned[0]?.path ?? '' });
      using pod = RouteSocket.open(namespace);
      const links = find(pod, condemned);
      const found = new Set(links.map(({ alias }) => alias));
      missing.push(...condemned.filter(({ alias, alone }) => alone && !found.has(alias)));
      const left = bridge ? links.filter((link) => !bridge.take(pod, link)) : links;
      deleteTogether(pod, left);
    } catch (error) {
      // With a namespace go its devices.
      if (error instanceof NamespaceError && error.code === 'not-found') continue;
      fail(condemned, error);
    }
  }
  if (missing.length > 0) deleteElsewhere(missing);
  try {
    bridge?.close();
  } catch (error) {
    fail(batch, error);
  }
  return failures;
}

/** Of an error, which keeps no more than its message on the way to another thread, what the kernel refused. */
function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) };
  const kernel = [error, error.cause].find((one) => one instanceof NetlinkError);
  return { message: error.message, ...(kernel ? { code: kernel.code, operation: kernel.operation } : {}) };
}

/** Devices that are not where they were: they were moved to other namespaces, or have been deleted. */
function deleteElsewhere(missing: readonly Condemned[]): void {
  const aliases = new Set(missing.map(({ alias }) => alias));
  for (const { inode, path } of listNamespaces()) {
    try {
      using namespace = openNamespace({ inode, hint: path });
      using pod = RouteSocket.open(namespace);
      deleteTogether(pod, withAlias(pod, aliases));
    } catch {
      // The namespace has gone since it was listed, or is another user's.
    }
  }
}

/** Devices of one namespace go in one wait when they share a group. */
function deleteTogether(pod: RouteSocket, links: readonly Link[]): void {
  const [only, ...others] = links;
  if (!only) return;
  if (others.length === 0) {
    unlessGone(() => pod.deleteLink(only.index));
    return;
  }
  unlessGone(() =>
    pod.batch(() => {
      for (const { index } of links) pod.setLink(index, { group: removalGroup });
    }),
  );
  unlessGone(() => pod.deleteGroup(removalGroup));
}

interface RemovalBridge {
  /** True when the device is deleted with the others. */
  take(pod: RouteSocket, link: Link): boolean;
  /** Deletes itself and what it took. */
  close(): void;
}

/**
 * VXLAN devices are scattered, one in each pod, where no group holds them together. But the kernel deletes those that
 * share a lower device all at once when that goes (vxlan_handle_lowerdev_unregister, drivers/net/vxlan): they are put
 * on a bridge made for the purpose. Undefined on a kernel without bridges.
 */
function openRemovalBridge(node: RouteSocket): RemovalBridge | undefined {
  try {
    const { index } = node.createLink({
      kind: 'bridge',
      name: `nsmgone${process.pid}`.slice(0, 15),
      group: scaffolding,
    });
    return {
      take(pod, link) {
        if (link.kind !== 'vxlan') return false;
        try {
          pod.setLink(link.index, { vxlan: { link: index } });
          return true;
        } catch {
          return false;
        }
      },
      close: () => unlessGone(() => node.deleteLink(index)),
    };
  } catch {
    return undefined;
  }
}

function find(pod: RouteSocket, condemned: readonly Condemned[]): Link[] {
  const [only, ...others] = condemned;
  if (only && others.length === 0 && only.name !== '') {
    const link = pod.link(only.name);
    if (link?.alias === only.alias) return [link];
  }
  return withAlias(pod, new Set(condemned.map(({ alias }) => alias)));
}

function withAlias(pod: RouteSocket, aliases: ReadonlySet<string>): Link[] {
  return pod.links().filter(({ alias }) => alias !== undefined && aliases.has(alias));
}

function inodeOfHome(): number {
  using namespace = currentNamespace();
  return namespace.inode;
}

function byNamespace(batch: readonly Condemned[]): Map<number, Condemned[]> {
  const groups = new Map<number, Condemned[]>();
  for (const one of batch) {
    const group = groups.get(one.inode);
    if (group) group.push(one);
    else groups.set(one.inode, [one]);
  }
  return groups;
}
