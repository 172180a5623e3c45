// The thread that deletes devices: groups those of one namespace, so that one wait of the kernel serves them all.
import { type MessagePort, workerData } from 'node:worker_threads';
import { NamespaceError, openNamespace, RouteSocket } from '@nsm/netlink';
import type { Grave } from './reaper.js';

/** A group number of our own, "nsm" and a zero: nobody else's device is in it by chance. */
const doomed = 0x6e736d00;

const port = workerData as MessagePort;
port.on('message', (graves: readonly Grave[]) => port.postMessage(bury(graves)));
port.postMessage('ready');

/** @returns for each id that could not be deleted, why. */
function bury(graves: readonly Grave[]): ReadonlyMap<string, string> {
  const failures = new Map<string, string>();
  for (const [inode, { path, ids }] of byNamespace(graves)) {
    try {
      using namespace = openNamespace({ inode, hint: path });
      using socket = RouteSocket.open(namespace);
      deleteAll(socket, ids);
    } catch (error) {
      // With a namespace go its devices.
      if (error instanceof NamespaceError && error.code === 'not-found') continue;
      for (const id of ids) failures.set(id, error instanceof Error ? error.message : String(error));
    }
  }
  return failures;
}

function byNamespace(
  graves: readonly Grave[],
): Map<number, { readonly path: string; readonly ids: Set<string> }> {
  const groups = new Map<number, { readonly path: string; readonly ids: Set<string> }>();
  for (const { inode, path, id } of graves) {
    const group = groups.get(inode) ?? { path, ids: new Set() };
    groups.set(inode, group);
    group.ids.add(id);
  }
  return groups;
}

function deleteAll(socket: RouteSocket, ids: ReadonlySet<string>): void {
  const links = socket.links().filter(({ alias }) => alias !== undefined && ids.has(alias));
  const [only, ...others] = links;
  if (!only) return;
  if (others.length === 0) {
    socket.deleteLink(only.index);
    return;
  }
  for (const { index } of links) socket.setLink(index, { group: doomed });
  socket.deleteGroup(doomed);
}
