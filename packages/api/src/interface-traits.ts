// What tells one interface type from another, to all who have to know. A new interface type is a row here, and a wiring in the
// forwarder.
import { type Interface, InterfaceType } from './gen/common_pb.js';

export interface InterfaceTraits {
  /** Pods get a network device, with a name, addresses and routes, which the kernel drives. */
  readonly hasDevice: boolean;
  /** Both sides are on a physical network already: no tunnel joins them, and what the network carries is not ours to know. */
  readonly hasOwnWire: boolean;
  /** Both sides of one node get the two ends of a veth pair, which carries packets of any size at once. */
  readonly makesPair: boolean;
  /** The device is made for its connection, so that a second can stand beside it and packets can move over. */
  readonly canMove: boolean;
  /** Pods get a unix socket, by which an application maps memory that it shares with the other side; absent: no socket. */
  readonly sharedMemory?: SharedMemoryTraits;
}

export type SharedMemoryProtocol = 'memif' | 'vhost-user';

export interface SharedMemoryTraits {
  readonly protocol: SharedMemoryProtocol;
  /** Name of the socket in the folder of its pod's side. */
  readonly socketFile: string;
  /** The interface parameters that are numbers, and of which both sides are told the same. */
  readonly parameters: Readonly<Record<string, NumberParameter>>;
}

/** A number that a client or endpoint may wish for in the parameters of its interface. */
export interface NumberParameter {
  /** Where neither side wishes for another. */
  readonly fallback: number;
  readonly lowest: number;
  readonly highest: number;
  readonly powerOfTwo: boolean;
}

type InterfaceTypeName = keyof typeof InterfaceType;
type WordIn<Name> = Name extends `${infer Word}_INTERFACE` ? Lowercase<Word> : never;

/** An interface type as people write it: `kernel`; `default` lets the other side choose. */
export type InterfaceWord = WordIn<InterfaceTypeName>;

const device = { hasDevice: true, hasOwnWire: false, makesPair: false, canMove: false } as const;
const lent = { ...device, hasOwnWire: true } as const;
const socket = { ...device, hasDevice: false } as const;

/** In the order in which DEFAULT_INTERFACE stands for them, the best first. */
const rows: Readonly<Record<Exclude<InterfaceTypeName, 'DEFAULT_INTERFACE'>, InterfaceTraits>> = {
  KERNEL_INTERFACE: { ...device, makesPair: true, canMove: true },
  MEM_INTERFACE: {
    ...socket,
    sharedMemory: {
      protocol: 'memif',
      socketFile: 'memif.sock',
      parameters: {
        // Descriptors in a ring, rings in each direction, bytes of a buffer.
        ring_size: { fallback: 1024, lowest: 64, highest: 16_384, powerOfTwo: true },
        rings: { fallback: 1, lowest: 1, highest: 16, powerOfTwo: false },
        buffer_size: { fallback: 2048, lowest: 2048, highest: 65_472, powerOfTwo: false },
      },
    },
  },
  VHOST_INTERFACE: {
    ...socket,
    sharedMemory: {
      protocol: 'vhost-user',
      socketFile: 'vhost.sock',
      parameters: {
        // Descriptors in a virtqueue, and pairs of virtqueues.
        ring_size: { fallback: 256, lowest: 64, highest: 1024, powerOfTwo: true },
        queues: { fallback: 1, lowest: 1, highest: 16, powerOfTwo: false },
      },
    },
  },
  SRIOV_INTERFACE: lent,
  HW_INTERFACE: lent,
};

const byType: ReadonlyMap<number, InterfaceTraits> = new Map(
  Object.entries(rows).map(([name, traits]) => [InterfaceType[name as InterfaceTypeName], traits]),
);

/** Every interface type save DEFAULT_INTERFACE, which stands for them in this order. */
export const interfaceTypes: readonly InterfaceType[] = [...byType.keys()] as InterfaceType[];

/** @param type of a newer peer, or DEFAULT_INTERFACE: a device of which nothing is known. */
export function traitsOf(type: InterfaceType): InterfaceTraits {
  return byType.get(type) ?? device;
}

/** The parameters of an interface, with the fallback of every number that they do not give. */
export function withFallbacks(
  type: InterfaceType,
  parameters: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const numbers = Object.entries(traitsOf(type).sharedMemory?.parameters ?? {});
  return {
    ...Object.fromEntries(numbers.map(([name, { fallback }]) => [name, String(fallback)])),
    ...parameters,
  };
}

/** Name of the interface parameter by which a side says whether it may send from its own addresses only: `on`, or `off`. */
export const sourceCheck = 'source_check';

/** Name of the interface parameter by which an endpoint asks that packets which come in by its interfaces are passed on: `on`, or `off`. */
export const forwarding = 'forwarding';

/** Whether a pod wants to send from any address, as bridges and routers do: the other side cannot tell then who sends. */
export function asksForNoSourceCheck({ parameters }: Pick<Interface, 'parameters'>): boolean {
  return parameters?.interfaceParameters[sourceCheck] === 'off';
}
