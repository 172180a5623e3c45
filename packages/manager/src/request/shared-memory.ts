// Pods attached by shared memory: what both sides are told, and the socket by which each meets the other.
import { type Interface, traitsOf } from '@nsm/api';
import { agreeOnMemory } from '../admission/shared-memory-parameters.js';
import { withParameters } from '../choice/physical-networks.js';
import type { Side } from '../sender.js';
import type { RequestComponents } from './components.js';
import type { Transaction } from './transaction.js';

/** A side of a connection that is on this node. */
interface SideWish {
  readonly interface: Interface;
  readonly uid: number;
}

/**
 * Completes the interfaces of those sides that are attached by shared memory, and makes the folders of their sockets; what
 * has a device is left as it is.
 * @param former what the client had before its endpoint was lost: its application still goes by that.
 * @throws NsmError `invalid` for parameters that cannot be.
 */
export async function placeSockets<Here extends Side>(
  components: RequestComponents,
  transaction: Transaction,
  id: string,
  sides: Readonly<Record<Here, SideWish>>,
  former?: Interface,
): Promise<Record<Here, Interface>> {
  const wishes = Object.entries<SideWish>(sides);
  const placed = new Map(wishes.map(([side, wish]) => [side, wish.interface]));
  const shared = wishes.filter(([, wish]) => traitsOf(wish.interface.type).sharedMemory);
  if (shared.length > 0) {
    const heard = [...(former ? [former] : []), ...placed.values()];
    const types = new Set(shared.map(([, wish]) => wish.interface.type));
    const agreed = new Map([...types].map((type) => [type, agreeOnMemory(type, heard, shared.length === 1)]));
    const asked = shared.map(([side, wish]) => [side, { type: wish.interface.type, uid: wish.uid }]);
    const sockets = await transaction.step(
      'place the sockets',
      () => components.forwarder.placeSockets({ id, ...Object.fromEntries(asked) }),
      () => components.forwarder.remove({ crossConnects: [{ id }] }),
    );
    for (const [side, wish] of shared) {
      const isClient = side === 'client';
      const told = {
        ...agreed.get(wish.interface.type),
        socket: isClient ? sockets.client : sockets.endpoint,
        role: isClient ? 'client' : 'server',
      };
      placed.set(side, withParameters(wish.interface, told));
    }
  }
  return Object.fromEntries(placed) as Record<Here, Interface>;
}
