// A pod's side of a cross-connect, as the forwarder is to make it.
import type { ConnectionParameters, forwarder as fw, Interface } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { sourcesOf } from './sources.js';

export type PortInit = Omit<fw.Port, '$typeName' | '$unknown'>;

/** With each route through the other side's address of the same version. @param other parameters of the other side. */
export function portOf(
  chosen: Interface,
  namespace: fw.Namespace,
  uid: number,
  parameters: ConnectionParameters,
  other: Pick<ConnectionParameters, 'peerAddresses' | 'route'>,
): PortInit {
  const sources = sourcesOf(chosen, parameters, other);
  const gateways = new Map<4 | 6, string>();
  for (const address of parameters.peerAddresses.toReversed())
    gateways.set(IpPrefix.of(address).version, address);
  // A peer of its own is on the link, whatever the addresses say.
  const onLink = new Set(parameters.peerAddresses.map((peer) => String(IpPrefix.of(peer))));
  const gateway = (destination: string): string =>
    onLink.has(destination) ? '' : (gateways.get(destination.includes(':') ? 6 : 4) ?? '');
  return {
    type: chosen.type,
    // Routes matter for the choice of addresses alone, and there may be many.
    namespace: { ...namespace, prefixes: [], addresses: [] },
    name: parameters.interfaceName,
    mac: parameters.mac,
    mtu: parameters.mtu,
    addresses: parameters.addresses,
    routes: parameters.route.map((destination) => ({
      $typeName: 'common.Route',
      destination,
      gateway: gateway(destination),
    })),
    parameters: chosen.parameters?.interfaceParameters ?? {},
    peerAddresses: parameters.peerAddresses,
    formerName: '',
    takesOver: '',
    beside: '',
    siblings: [],
    reservedNames: [],
    uid,
    ...(sources ? { sources } : {}),
  };
}
