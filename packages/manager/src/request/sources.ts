// Source addresses that a side of a connection may send from: its own, and those of networks that the other side reaches through it.
import {
  asksForNoSourceCheck,
  type ConnectionParameters,
  type forwarder as fw,
  type Interface,
  traitsOf,
} from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';

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
