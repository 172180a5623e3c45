// Pods attached by shared memory: what both sides are told, and the socket by which each meets the other.
import { type Interface, traitsOf } from '@nsm/api';
import { agreeOnMemory } from '../admission/shared-memory-parameters.js';
import { withParameters } from '../choice/physical-networks.js';
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
export async function placeSockets<Side extends 'client' | 'endpoint'>(
  components: RequestComponents,
  transaction: Transaction,
  id: string,
  sides: Readonly<Record<Side, SideWish>>,
  former?: Interface,
): Promise<Record<Side, Interface>> {
  const wishes = Object.entries(sides) as [Side, SideWish][];
  const asked = wishes.flatMap(([side, wish]) =>
    traitsOf(wish.interface.type).sharedMemory ? [[side, wish] as const] : [],
  );
  const result = Object.fromEntries(wishes.map(([side, wish]) => [side, wish.interface]));
  if (asked.length > 0) {
    const heard = [...(former ? [former] : []), ...wishes.map(([, wish]) => wish.interface)];
    const agreed = new Map(
      asked.map(
        ([
          ,
          {
            interface: { type },
          },
        ]) => [type, agreeOnMemory(type, heard, asked.length === 1)],
      ),
    );
    const sockets = await transaction.step(
      'place the sockets',
      () =>
        components.forwarder.placeSockets({
          id,
          ...Object.fromEntries(
            asked.map(
              ([
                side,
                {
                  interface: { type },
                  uid,
                },
              ]) => [side, { type, uid }],
            ),
          ),
        }),
      () => components.forwarder.remove({ crossConnects: [{ id }] }),
    );
    for (const [side, wish] of asked)
      result[side] = withParameters(wish.interface, {
        ...agreed.get(wish.interface.type),
        socket: sockets[side],
        role: side === 'client' ? 'client' : 'server',
      });
  }
  return result as Record<Side, Interface>;
}
