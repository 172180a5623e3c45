// What an endpoint gives may not take packets away from where they go now: addresses in a network that the pod has already, routes
// that are more specific than the pod's own, and ways to the nodes of the mesh are refused, unless the client asked for them.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import { isEndpointInterfaceName } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import { type AcceptedRoutes, accepts } from './accepted-routes.js';
import type { GivenSide } from './answer.js';

/** An address that no route given by an endpoint may lead away, and what has the address. */
export interface KeptAddress {
  readonly address: string;
  readonly what: string;
}

/** Where clouds serve the names, keys and time of a machine: AWS, Azure, Google Cloud, Alibaba and others. */
const metadataServices: readonly string[] = [
  '169.254.169.254',
  '169.254.169.253',
  '169.254.169.123',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  'fd00:ec2::254',
  'fd00:ec2::253',
  'fd00:ec2::123',
  'fd00:ec2::23',
  'fd20:ce::254',
];

/** The nodes of the mesh, and what serves the names and keys of this machine. @param nodes addresses. */
export function keptWays(nodes: readonly string[]): KeptAddress[] {
  return [
    ...nodes.map((address) => ({ address, what: 'a node of the mesh' })),
    ...metadataServices.map((address) => ({ address, what: "the machine's metadata service" })),
  ];
}

/** What is given to one side of a connection, and what its pod has. */
export interface Placing {
  readonly side: 'client' | 'endpoint';
  /** Its addresses, the peers that get a route of their own, and routes that others than the pod's owner want. */
  readonly given: GivenSide;
  readonly networks: readonly Pick<fw.Network, 'prefix' | 'interface' | 'id' | 'routed'>[];
  /** Connections whose interfaces may have the same addresses: the replaced connection, and those to the same endpoint. */
  readonly shared: readonly string[];
  /** Addresses that the pod must reach as it did before. */
  readonly kept: readonly KeptAddress[];
  /** What the client takes although its packets go elsewhere now. */
  readonly accepted: AcceptedRoutes;
}

/**
 * The interfaces of an endpoint share its networks by design, each with a client behind it.
 * @param endpoint its name.
 * @throws NsmError `no-address`: which network of which interface is in the way.
 */
export function refuseInTheWay(endpoint: string, placing: Placing): void {
  const { side, given, shared, accepted } = placing;
  const own = given.addresses.map(IpPrefix.of);
  const peers = given.peers.map(IpPrefix.of);
  const routes = given.routes.map(IpPrefix.of).filter((route) => !accepts(accepted, route));
  for (const { prefix, interface: name, id, routed } of placing.networks) {
    if (id !== '' && (shared.includes(id) || (side === 'endpoint' && isEndpointInterfaceName(name))))
      continue;
    const network = IpPrefix.of(prefix);
    const has = `and the ${side}'s pod ${routed ? 'routes' : 'has'} ${prefix} on ${name} already`;
    const inTheWay = [...own, ...peers].find((address) =>
      routed ? isWithin(address.host, network) : network.overlaps(address),
    );
    if (inTheWay)
      throw new NsmError(
        'no-address',
        `endpoint ${quote(endpoint)} gives the ${side} ${own.includes(inTheWay) ? inTheWay : `the peer ${inTheWay.address}`}, ${has}: ` +
          'give addresses of another network, or leave them to the manager, which avoids what the pod has',
      );
    const route = routes.find((one) => isWithin(one, network));
    if (route) throw unasked(endpoint, side, route, has);
  }
  const ways = [...own.map(({ network }) => network), ...peers, ...routes].filter((way) => !isDefault(way));
  for (const { address, what } of ways.length > 0 ? placing.kept : []) {
    const taken = ways.find((way) => way.contains(IpPrefix.of(address)));
    if (taken) throw unasked(endpoint, side, taken, `which leads away what goes to ${address}, ${what}`);
  }
}

/** A route of the same or a smaller network wins, but for the default route, which is there to be narrowed. */
function isWithin(inner: IpPrefix, outer: IpPrefix): boolean {
  return !isDefault(outer) && inner.length >= outer.length && outer.contains(inner);
}

/** A default route, whole or one of its two halves. */
function isDefault({ length }: IpPrefix): boolean {
  return length <= 1;
}

function unasked(endpoint: string, side: string, route: IpPrefix, why: string): NsmError {
  return new NsmError(
    'no-address',
    `endpoint ${quote(endpoint)} gives the ${side} ${route}, ${why}: the endpoint must leave it out, ` +
      `or the client ask for it by interface parameter accept_routes=${route}`,
  );
}
