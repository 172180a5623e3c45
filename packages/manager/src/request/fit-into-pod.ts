// What an endpoint gives must fit into both pods: nothing is touched where a network of another interface is in the way.

import type { forwarder as fw } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import type { Side } from '../admission/answer.js';
import { refuseInTheWay } from '../admission/in-the-way.js';
import type { Attempt } from './attempt.js';
import type { RequestComponents } from './components.js';

type Given = Pick<Side, 'addresses' | 'peers'>;

/**
 * @param pairs chosen so that nothing is in their way.
 * @returns ids of connections of the same pod to the same endpoint, as when it is in a network segment twice: packets may go by
 * their interfaces.
 * @throws NsmError `no-address`
 */
export async function fitClient(
  { forwarder, connections }: RequestComponents,
  { id, beside, endpoint, namespace }: Attempt,
  side: Side,
  pairs: readonly AddressPair[],
): Promise<string[]> {
  const given = notOf(pairs, side);
  if (isEmpty(given)) return [];
  const { networks } = await forwarder.listNetworks(namespace);
  const { nseProviderName: name, networkServiceName: service } = endpoint;
  const siblings = [...new Set(networks.map((network) => network.id))].filter((other) => {
    const connection = other === id ? undefined : connections.byId(other);
    return connection?.service === service && connection.endpoint.name === name;
  });
  const shared = [id, ...(beside ? [beside.id] : []), ...siblings];
  refuseInTheWay(name, { side: 'client', given, networks, shared });
  return siblings;
}

/**
 * @param shared ids of connections whose interfaces may have the same networks.
 * @throws NsmError `no-address`
 */
export async function fitEndpoint(
  { forwarder }: RequestComponents,
  endpoint: string,
  namespace: fw.Namespace,
  side: Side,
  { pairs, shared }: { readonly pairs: readonly AddressPair[]; readonly shared: readonly string[] },
): Promise<void> {
  const given = notOf(pairs, side);
  if (isEmpty(given)) return;
  const { networks } = await forwarder.listNetworks(namespace);
  refuseInTheWay(endpoint, { side: 'endpoint', given, networks, shared });
}

/** What is not of the pairs: addresses, and those peers that get a route because no network of an own address leads to them. */
function notOf(pairs: readonly AddressPair[], { addresses, peers }: Given): Given {
  const chosen = pairs.map(({ prefix }) => IpPrefix.of(prefix));
  const own = addresses.map(IpPrefix.of);
  const isGiven = (text: string): boolean => !chosen.some((pair) => pair.contains(IpPrefix.of(text)));
  const isRouted = (text: string): boolean => {
    const peer = IpPrefix.of(text);
    // A side without an address answers on another of its interfaces, and gets no route.
    return (
      own.some(({ version }) => version === peer.version) && !own.some((network) => network.contains(peer))
    );
  };
  return { addresses: addresses.filter(isGiven), peers: peers.filter(isGiven).filter(isRouted) };
}

function isEmpty({ addresses, peers }: Given): boolean {
  return addresses.length === 0 && peers.length === 0;
}
