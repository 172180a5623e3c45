// What an endpoint gives must fit into both pods: nothing is touched where a network of another interface is in the way.
import type { forwarder as fw, Interface } from '@nsm/api';
import { IpPrefix, whyNoHostAddress } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import { acceptedRoutes } from '../admission/accepted-routes.js';
import type { GivenSide } from '../admission/answer.js';
import { type KeptAddress, keptWays, refuseInTheWay } from '../admission/in-the-way.js';
import type { Attempt } from './attempt.js';
import type { RequestComponents } from './components.js';

/**
 * @param chosen the client's interface, with what the client asks for.
 * @param pairs chosen so that nothing is in their way.
 * @returns ids of connections of the same pod to the same endpoint, as when it is in a network segment twice: packets may go by
 * their interfaces.
 * @throws NsmError `no-address`
 */
export async function fitClient(
  components: RequestComponents,
  { id, beside, endpoint, namespace }: Attempt,
  chosen: Interface,
  side: GivenSide,
  pairs: readonly AddressPair[],
): Promise<string[]> {
  const given = notOf(pairs, side);
  if (isEmpty(given)) return [];
  const { forwarder, connections } = components;
  const [{ networks }, kept] = await Promise.all([
    forwarder.listNetworks(namespace),
    keptBy(components, namespace),
  ]);
  const { nseProviderName: name, networkServiceName: service } = endpoint;
  const siblings = [...new Set(networks.map((network) => network.id))].filter((other) => {
    const connection = other === id ? undefined : connections.byId(other);
    return connection?.service === service && connection.endpoint.name === name;
  });
  const shared = [id, ...(beside ? [beside.id] : []), ...siblings];
  const accepted = acceptedRoutes(chosen);
  refuseInTheWay(name, { side: 'client', given, networks, shared, kept, accepted });
  return siblings;
}

/** Where the addresses of an endpoint's side come from. */
export interface Placed {
  /** Chosen by this manager or that of the client; none where the endpoint gives addresses of its own. */
  readonly pairs: readonly AddressPair[];
  /** Those of `pairs` that this manager chose, so that nothing is in their way. */
  readonly own: readonly AddressPair[];
  /** Ids of connections whose interfaces may have the same networks. */
  readonly shared: readonly string[];
}

/** @throws NsmError `no-address` */
export async function fitEndpoint(
  components: RequestComponents,
  endpoint: string,
  namespace: fw.Namespace,
  side: GivenSide,
  { pairs, own, shared }: Placed,
): Promise<void> {
  // What an endpoint routes in its own pod is its own affair.
  const given = { ...notOf(own, side), routes: [] };
  if (isEmpty(given)) return;
  const { networks } = await components.forwarder.listNetworks(namespace);
  // So is what it leads away from its pod, but not what another manager would.
  const kept = pairs.length > own.length ? await keptBy(components, namespace) : [];
  refuseInTheWay(endpoint, { side: 'endpoint', given, networks, shared, kept, accepted: 'any' });
}

async function keptBy(components: RequestComponents, namespace: fw.Namespace): Promise<KeptAddress[]> {
  return keptWays(await nodeAddresses(components, namespace));
}

/** Of this node and of the other managers; none for a pod in the node's own namespace, where lifelines are looked after. */
async function nodeAddresses(
  { forwarder, self, registry, peers }: RequestComponents,
  { node = false, inode }: fw.Namespace,
): Promise<string[]> {
  if (node || inode === self.namespaceInode) return [];
  const managers = [...registry.managers().values()].filter(({ name }) => name !== self.name);
  const [{ namespace }, ...others] = await Promise.all([
    forwarder.inspectNamespace({ linuxNamespace: String(self.namespaceInode) }),
    ...managers.map(({ address }) => peers.addressesOf(address)),
  ]);
  const own = (namespace?.addresses ?? []).filter((address) => whyNoHostAddress(IpPrefix.of(address)) === '');
  return [...new Set([...own, ...others.flat()])];
}

/**
 * What is not of the pairs: addresses, those peers that get a route because no network of an own address leads to them, and routes to
 * more than peers.
 */
function notOf(pairs: readonly AddressPair[], { addresses, peers, routes }: GivenSide): GivenSide {
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
  const hosts = new Set(peers.map((peer) => String(IpPrefix.of(peer))));
  return {
    addresses: addresses.filter(isGiven),
    peers: peers.filter(isGiven).filter(isRouted),
    routes: routes.filter((route) => !hosts.has(route)),
  };
}

function isEmpty({ addresses, peers, routes }: GivenSide): boolean {
  return addresses.length === 0 && peers.length === 0 && routes.length === 0;
}
