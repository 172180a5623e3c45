// Where a lent device is now.
import { type Link, NamespaceError, openNamespace, RouteSocket } from '@nsm/netlink';
import type { Loan } from './loan-book.js';

/** `first` is the machine's first network namespace. */
export type Place = 'pod' | 'node' | 'first';

/**
 * Calls `use` for a lent device where it is now: in its pod, on the node, or where the kernel puts hardware whose namespace has
 * ended.
 * @returns undefined when the device is nowhere.
 */
export function withLent<T>(
  node: RouteSocket,
  loan: Loan,
  use: (socket: RouteSocket, link: Link, where: Place) => T,
): T | undefined {
  const places: readonly (readonly [Place, () => RouteSocket | undefined])[] = [
    ['pod', () => socketIn({ inode: loan.pod.inode, hint: loan.pod.path })],
    ['node', () => undefined],
    ['first', () => socketIn({ pid: 1 })],
  ];
  for (const [where, open] of places) {
    using opened = open();
    const socket = where === 'node' ? node : opened;
    const link = socket?.links().find((candidate) => isIt(loan, candidate, where));
    if (socket && link) return use(socket, link, where);
  }
  return undefined;
}

/** A pod may have taken away the alias or changed the hardware address, not both; the address burnt in stays. */
function isIt({ id, mac, before }: Loan, link: Link, where: Place): boolean {
  if (link.kind !== before.kind) return false;
  const burntIn = before.permanentMac !== undefined && link.permanentMac === before.permanentMac;
  const same = burntIn || link.mac === mac || link.mac === before.mac;
  const marked = link.alias === id;
  if (where === 'pod') return marked || same;
  if (where === 'node') return marked || (same && link.name === before.name);
  return burntIn || (marked && same);
}

function socketIn(namespace: Parameters<typeof openNamespace>[0]): RouteSocket | undefined {
  try {
    using opened = openNamespace(namespace);
    return RouteSocket.open(opened);
  } catch (error) {
    // The namespace has gone, or belongs to another user.
    if (error instanceof NamespaceError) return undefined;
    throw error;
  }
}
