// From where a side of a connection may send: from its addresses, and from what the other side reaches through it.
import {
  asksForNoSourceCheck,
  type ConnectionParameters,
  type forwarder as fw,
  type Interface,
  maxRoutes,
  NsmError,
  traitsOf,
} from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { quote } from '../untrusted-text.js';

type Reached = Pick<ConnectionParameters, 'peerAddresses' | 'route'>;

/**
 * @param other parameters of the other side.
 * @returns undefined where nothing is checked: the side has asked for that, or no program of the mesh sees its packets.
 */
export function sourcesOf(
  chosen: Interface,
  { addresses }: Pick<ConnectionParameters, 'addresses'>,
  other: Reached,
): fw.Sources | undefined {
  if (traitsOf(chosen.type).hasOwnWire || asksForNoSourceCheck(chosen)) return undefined;
  const own = addresses.map((address) => String(IpPrefix.of(address).host));
  return { $typeName: 'nsmforwarder.Sources', prefixes: [...new Set([...own, ...reachedThrough(other)])] };
}

/** Networks that a side reaches through the other, each address of its own with the length of a host. */
export function reachedThrough({ peerAddresses, route }: Reached): string[] {
  return [...new Set([...peerAddresses.map((peer) => String(IpPrefix.ofAddress(peer))), ...route])];
}

/** What another manager tells of it. @throws NsmError `manager-refused` */
export function admitReached(manager: string, told: readonly string[]): string[] {
  const wrong = told.find((text) => !IpPrefix.parse(text));
  if (wrong === undefined && told.length <= 2 * maxRoutes) return [...told];
  throw new NsmError(
    'manager-refused',
    `manager ${quote(manager)} gave an answer that cannot be used: client_sources ${wrong === undefined ? `has ${told.length} entries` : `${quote(wrong)} is no network`}`,
  );
}
