// Addresses that lie in a network which the pod has already are refused: its packets would go where they did not before.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { isEndpointInterfaceName } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import type { Side } from './answer.js';

/** What is given to one side of a connection, and what its pod has. */
export interface Placing {
  readonly side: 'client' | 'endpoint';
  /** Its addresses, and the peers that get a route of their own. */
  readonly given: Pick<Side, 'addresses' | 'peers'>;
  readonly networks: readonly Pick<fw.Network, 'prefix' | 'interface' | 'id'>[];
  /** Connections whose interfaces may have the same addresses: the replaced connection, and those to the same endpoint. */
  readonly shared: readonly string[];
}

/**
 * The interfaces of an endpoint share its networks by design, each with a client behind it.
 * @param endpoint its name.
 * @throws NsmError `no-address`: which network of which interface is in the way.
 */
export function refuseInTheWay(endpoint: string, { side, given, networks, shared }: Placing): void {
  const own = given.addresses.map(IpPrefix.of);
  const peers = given.peers.map(IpPrefix.of);
  for (const { prefix, interface: name, id } of networks) {
    if (id !== '' && (shared.includes(id) || (side === 'endpoint' && isEndpointInterfaceName(name))))
      continue;
    const network = IpPrefix.of(prefix);
    const inTheWay = [...own, ...peers].find((address) => network.overlaps(address));
    if (!inTheWay) continue;
    throw new NsmError(
      'no-address',
      `endpoint ${quote(endpoint)} gives the ${side} ${own.includes(inTheWay) ? inTheWay : `the peer ${inTheWay.address}`}, ` +
        `and the ${side}'s pod has ${prefix} on ${name} already: ` +
        'give addresses of another network, or leave them to the manager, which avoids what the pod has',
    );
  }
}
