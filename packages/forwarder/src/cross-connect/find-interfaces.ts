// Finds the interfaces of one manager again, in whatever namespace they are: each bears its cross-connect's id as its alias.
import { listNamespaces, openNamespace, RouteSocket } from '@nsm/netlink';
import type { NamespaceReport } from '../pod/inspect-namespace.js';
import { unfinishedGroup } from '../port/device-groups.js';

export type FoundReport = { id: string; namespace?: NamespaceReport; name: string; index: number };

/** An interface that was being made when a forwarder died bears no alias, but a group; it is given an alias. */
export function findInterfaces(idPrefix: string): FoundReport[] {
  const unfinished = unfinishedGroup(idPrefix);
  const interfaces: FoundReport[] = [];
  for (const { inode, path } of listNamespaces()) {
    try {
      using namespace = openNamespace({ inode, hint: path });
      using socket = RouteSocket.open(namespace);
      for (const link of socket.links()) {
        const half = link.alias === undefined && link.group === unfinished;
        const id = half ? `${idPrefix}unfinished` : link.alias;
        if (!id?.startsWith(idPrefix)) continue;
        if (half) socket.setLink(link.index, { alias: id, group: 0 });
        interfaces.push({
          id,
          namespace: { inode, path, prefixes: [], cookie: 0n },
          name: link.name,
          index: link.index,
        });
      }
    } catch {
      // The namespace has gone since it was listed, or is another user's.
    }
  }
  return interfaces;
}
