// Where devices come from that are given to pods: pools of the node's own, one pool for each physical network.
import type { InterfaceType } from '@nsm/api';
import type { Link, RouteSocket, VfChanges } from '@nsm/netlink';

/** Which devices are meant; all that is given must fit. `*` in a pattern stands for anything. */
export interface DeviceMatch {
  /** Pattern of the device's name. */
  readonly name?: string;
  /** Pattern of its driver's name, such as `ixgbe`. */
  readonly driver?: string;
  /** Pattern of its PCI address, such as `0000:3b:*`. */
  readonly pci?: string;
}

/** Devices of one physical network: what is in the pools of one name, here and on other nodes, can reach each other. */
export interface DevicePool {
  readonly name: string;
  readonly match: DeviceMatch;
}

/** The match is of the adapter: the physical function's name, driver and PCI address. */
export interface VfPool extends DevicePool {
  /** How every virtual function is set while a pod has it. */
  readonly settings: Omit<VfChanges, 'index' | 'mac'>;
}

/** A virtual function as its physical function numbers it, and how it is to be set. */
export interface VirtualFunctionOf {
  /** Name of the physical function. */
  readonly physical: string;
  readonly index: number;
  readonly settings: Omit<VfChanges, 'index'>;
}

/** A device that is in a pool, whether or not it can be given away now. */
export interface PooledDevice {
  readonly link: Link;
  readonly function?: VirtualFunctionOf;
}

/** An adapter or virtual function of a pool that has no device on the node now: its device may be lent. */
export interface Absent {
  readonly physical: string;
  /** Of the virtual function; undefined: the adapter as a whole. */
  readonly index?: number;
  readonly reason: string;
}

/** The devices of one interface type. */
export interface DeviceSource {
  readonly interface: InterfaceType;
  /** What carries the packets, for people. */
  readonly engine: string;
  /** Names of the pools there are. */
  readonly pools: readonly string[];
  /** What is missing for this type to work at all, or ''. */
  missing(): string;
  /** What belongs to a pool: in the node's namespace now, or not. */
  devices(pool: string, node: RouteSocket): { readonly present: PooledDevice[]; readonly absent: Absent[] };
}

/** Whether a text fits a pattern in which `*` stands for anything; without a pattern all do. */
export function fits(pattern: string | undefined, text: string): boolean {
  if (pattern === undefined) return true;
  const literal = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`).test(text);
}
