// Pods attached by shared memory: what both sides are told, and the socket by which each meets the other.
import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Interface, InterfaceParametersSchema, InterfaceType, NsmError } from '@nsm/api';
import { quote } from '../admission/admission.js';
import type { Node } from '../node.js';
import type { Transaction } from './transaction.js';

/** A side of a connection that is on this node. */
interface SideWish {
  readonly interface: Interface;
  /** User of its process. */
  readonly uid: number;
}

interface Limit {
  readonly fallback: number;
  readonly lowest: number;
  readonly highest: number;
  readonly powerOfTwo: boolean;
}

type Limits = Readonly<Record<string, Limit>>;

/** Of memif: descriptors in a ring, rings in each direction, bytes of a buffer. */
const memLimits: Limits = {
  ring_size: { fallback: 1024, lowest: 64, highest: 16_384, powerOfTwo: true },
  rings: { fallback: 1, lowest: 1, highest: 16, powerOfTwo: false },
  buffer_size: { fallback: 2048, lowest: 2048, highest: 65_472, powerOfTwo: false },
};

/** Of vhost-user: descriptors in a virtqueue, and pairs of virtqueues. */
const vhostLimits: Limits = {
  ring_size: { fallback: 256, lowest: 64, highest: 1024, powerOfTwo: true },
  queues: { fallback: 1, lowest: 1, highest: 16, powerOfTwo: false },
};

const memId: Limit = { fallback: 0, lowest: 0, highest: 0xffff_ffff, powerOfTwo: false };

/** Characters of a memif secret that every implementation takes: one of the 24 bytes may end it. */
const maxSecret = 23;

/**
 * Completes the interfaces of those sides that are attached by shared memory, and makes the folders of their sockets; what
 * is attached otherwise is left as it is.
 * @param former what the client had before its endpoint was lost: its application still goes by that.
 * @throws NsmError `invalid` for parameters that cannot be.
 */
export async function placeSockets<Side extends 'client' | 'endpoint'>(
  node: Node,
  transaction: Transaction,
  id: string,
  sides: Readonly<Record<Side, SideWish>>,
  former?: Interface,
): Promise<Record<Side, Interface>> {
  const wishes = Object.entries(sides) as [Side, SideWish][];
  const asked = wishes.flatMap(([side, wish]) => (isShared(wish.interface) ? [[side, wish] as const] : []));
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
        ]) => [type, agree(type, heard)],
      ),
    );
    const sockets = await transaction.step(
      'place the sockets',
      () =>
        node.forwarder.placeSockets({
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
      () => node.forwarder.remove({ crossConnects: [{ id }] }),
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

/** False for what is attached by a socket alone. */
export function hasDevice(side: Interface): boolean {
  return !isShared(side);
}

function isShared({ type }: Interface): boolean {
  return type === InterfaceType.MEM_INTERFACE || type === InterfaceType.VHOST_INTERFACE;
}

function withParameters(wanted: Interface, parameters: Readonly<Record<string, string>>): Interface {
  const interfaceParameters = { ...wanted.parameters?.interfaceParameters, ...parameters };
  return { ...wanted, parameters: create(InterfaceParametersSchema, { interfaceParameters }) };
}

/**
 * What both ends of a shared memory are told: of every number the smallest wish, and of a memif its id and secret as the
 * first asks who asks for any.
 */
function agree(type: InterfaceType, heard: readonly Interface[]): Record<string, string> {
  const said = (name: string): string[] =>
    heard
      .filter((one) => one.type === type)
      .map((one) => one.parameters?.interfaceParameters[name] ?? '')
      .filter((text) => text !== '');
  const memif = type === InterfaceType.MEM_INTERFACE;
  const numbers = Object.entries(memif ? memLimits : vhostLimits).map(([name, limit]) => {
    const wishes = said(name).map((text) => admit(name, text, limit));
    return [name, String(wishes.length > 0 ? Math.min(...wishes) : limit.fallback)];
  });
  const agreed: Record<string, string> = Object.fromEntries(numbers);
  if (!memif) return agreed;
  const [secret = randomBytes(8).toString('hex')] = said('secret');
  if (Buffer.byteLength(secret) > maxSecret)
    throw new NsmError('invalid', `interface parameter secret is longer than ${maxSecret} bytes`);
  const [id = '0'] = said('id');
  return { ...agreed, secret, id: String(admit('id', id, memId)) };
}

function admit(name: string, text: string, { lowest, highest, powerOfTwo }: Limit): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= lowest && value <= highest && (!powerOfTwo || Number.isInteger(Math.log2(value))))
    return value;
  throw new NsmError(
    'invalid',
    `interface parameter ${name} ${quote(text)} must be ${powerOfTwo ? 'a power of two ' : ''}from ${lowest} to ${highest}`,
  );
}
