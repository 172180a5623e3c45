// What an endpoint answered, or another manager for one, judged as a whole before anything is touched.
import { type ConnectionParameters, maxRoutes, NsmError } from '@nsm/api';
import { IpPrefix, whyNoDestination } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import { type Mtu, requireRoom } from '../choice/mtu.js';
import { quote } from '../untrusted-text.js';
import { addressesOf, admitLength } from './admission.js';
import {
  completed,
  type Fields,
  noWay,
  refuseConfusion,
  refuseWithin,
  withPeers,
} from './answer-addresses.js';
import { admitDomains, agreedMtuOf, uniqueAddresses, uniqueHosts, wrong } from './answer-fields.js';

/** Who answered: another manager speaks of the client's side alone, since the endpoint's is its own affair. */
export interface Answerer {
  readonly kind: 'endpoint' | 'manager';
  readonly name: string;
}

export interface Reply {
  readonly client: ConnectionParameters | undefined;
  readonly endpoint?: ConnectionParameters | undefined;
}

/** What the manager puts beside an answer. */
export interface Terms {
  /** Taken for an answer that leaves the addresses to the manager. */
  readonly pairs: readonly AddressPair[];
  readonly mtu: Mtu;
}

/** One side of a connection; everything is written as the kernel writes it, and nothing is there twice. */
export interface GivenSide {
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** Addresses of the other side, without prefix length, each of which is reached by a network of `addresses` or by one of `routes`. */
  readonly peers: readonly string[];
  /** Networks; each version of IP in it has a peer to go through, or the network is a peer. */
  readonly routes: readonly string[];
}

export interface Answer {
  readonly client: GivenSide;
  readonly endpoint: GivenSide;
  readonly mtu: number;
  readonly dnsServers: readonly string[];
  /** Corrections of the answer, for the log. */
  readonly notes: readonly string[];
}

/** True for an answer that leaves both sides' addresses to the manager. */
export function leavesAddresses({ client, endpoint }: Reply): boolean {
  return addressesOf(client).length === 0 && addressesOf(endpoint).length === 0;
}

/**
 * Completes an answer, or refuses it.
 * @throws NsmError `endpoint-refused` or `manager-refused`: who, which field, which value, and why not. `invalid` or `dataplane`: what
 * the client asks for, or its way, is too small for an answer that can be used.
 */
export function judgeAnswer(answerer: Answerer, reply: Reply, terms: Terms): Answer {
  const answer = judgeOf(answerer, reply, terms);
  requireRoom(answer.mtu, terms.mtu, answer.client.addresses);
  return answer;
}

function judgeOf(answerer: Answerer, reply: Reply, terms: Terms): Answer {
  try {
    return judge(answerer.kind, reply, terms);
  } catch (thrown) {
    const error = NsmError.from(thrown);
    const { kind, name } = answerer;
    if (error.kind !== 'invalid') throw error;
    throw new NsmError(
      `${kind}-refused`,
      `${kind} ${quote(name)} gave an answer that cannot be used: ${error.message}`,
      error,
    );
  }
}

function judge(kind: Answerer['kind'], { client, endpoint }: Reply, { pairs, mtu }: Terms): Answer {
  const fields =
    kind === 'endpoint'
      ? { client: 'client_parameters', endpoint: 'endpoint_parameters' }
      : { client: 'connection_parameters', endpoint: '' };
  admitDomains(`${fields.client}.dns.search_domains`, client?.dns?.searchDomains ?? []);
  const notes: string[] = [];
  const both = addressesOfBoth(kind, { client, endpoint }, pairs, fields);
  const dnsField = `${fields.client}.dns.servers`;
  const dnsServers = uniqueHosts(dnsField, client?.dns?.servers ?? []);
  for (const own of both.client) for (const server of dnsServers) refuseWithin(own, server, dnsField);
  const clientHosts = both.peers.filter(
    (peer) => !both.client.some((own) => !own.isHost && own.contains(peer)),
  );
  // Other clients of the endpoint may have addresses of the same network, each behind an interface of its own.
  const endpointHosts = both.client.filter(
    (peer) =>
      both.endpoint.some(({ version }) => version === peer.version) &&
      !both.endpoint.some((own) => own.length === own.bits - 1 && own.contains(peer)),
  );
  const side = (
    field: string,
    said: ConnectionParameters | undefined,
    ways: Omit<Ways, 'field'>,
  ): GivenSide => ({
    addresses: ways.own.map(String),
    peers: ways.peers.map(({ address }) => address),
    routes: routesOf({ field: `${field}.route`, ...ways }, said?.route ?? [], notes),
  });
  const wishes = {
    [`${fields.client}.mtu`]: client?.mtu ?? 0,
    [`${fields.endpoint}.mtu`]: endpoint?.mtu ?? 0,
  };
  return {
    client: side(fields.client, client, { own: both.client, peers: both.peers, hosts: clientHosts }),
    endpoint: side(fields.endpoint, endpoint, {
      own: both.endpoint,
      peers: both.client,
      hosts: endpointHosts,
    }),
    mtu: agreedMtuOf(wishes, mtu, both.client),
    dnsServers: dnsServers.map(({ address }) => address),
    notes,
  };
}

interface Addresses {
  readonly client: IpPrefix[];
  readonly endpoint: IpPrefix[];
  /** Those that the client reaches. */
  readonly peers: IpPrefix[];
}

/** The addresses of both sides, completed. */
function addressesOfBoth(
  kind: Answerer['kind'],
  { client, endpoint }: Reply,
  pairs: readonly AddressPair[],
  fields: Fields,
): Addresses {
  const left = leavesAddresses({ client, endpoint });
  const told = uniqueHosts(`${fields.client}.peer_addresses`, client?.peerAddresses ?? []);
  const given = {
    client: left
      ? pairs.map((pair) => IpPrefix.of(pair.client))
      : uniqueAddresses(`${fields.client}.addresses`, addressesOf(client)),
    endpoint: left
      ? pairs.map((pair) => IpPrefix.of(pair.endpoint))
      : uniqueAddresses(`${fields.endpoint}.addresses`, addressesOf(endpoint)),
  };
  const both: Addresses = { client: [], endpoint: [], peers: [] };
  for (const version of versionsOf([...given.client, ...given.endpoint, ...told])) {
    const of = (list: readonly IpPrefix[]): IpPrefix[] => list.filter((one) => one.version === version);
    const sides = { client: of(given.client), endpoint: of(given.endpoint), told: of(told) };
    const whole = kind === 'endpoint' ? completed(sides, fields) : withPeers(sides, fields.client);
    both.client.push(...whole.client);
    both.endpoint.push(...whole.endpoint);
    both.peers.push(...(sides.told.length > 0 ? sides.told : whole.endpoint));
  }
  refuseConfusion({ ...both, told }, fields);
  return both;
}

/** What one side can reach by its addresses. */
interface Ways {
  /** Name of the field with the side's routes. */
  readonly field: string;
  readonly own: readonly IpPrefix[];
  readonly peers: readonly IpPrefix[];
  /** Peers that no network of an own address leads to. */
  readonly hosts: readonly IpPrefix[];
}

/** @param notes gets what was put right. */
function routesOf({ field, own, peers, hosts }: Ways, texts: readonly string[], notes: string[]): string[] {
  admitLength(field, texts, maxRoutes);
  const routes = new Set(hosts.map(({ host }) => String(host)));
  const reached = new Set([...own, ...peers].map(({ host }) => String(host)));
  const connected = new Set(own.map(({ network }) => String(network)));
  for (const text of texts) {
    const prefix = IpPrefix.parse(text);
    if (!prefix) throw new NsmError('invalid', `${field} ${quote(text)} is no prefix such as 10.99.0.0/16`);
    const { network, version, value, first } = prefix;
    const why = whyNoDestination(network);
    if (why !== '') throw wrong(field, prefix, why);
    if (!peers.some((peer) => peer.version === version)) throw noWay(field, prefix, 'either side');
    const route = String(network);
    if (value !== first) notes.push(`${field} ${quote(text)} has host bits: ${route} it is`);
    if (connected.has(route) || reached.has(route))
      notes.push(`${field} ${quote(text)} left out: the address leads there`);
    else routes.add(route);
  }
  return [...routes];
}

/** In the order in which they come first. */
function versionsOf(addresses: readonly IpPrefix[]): Set<4 | 6> {
  return new Set(addresses.map(({ version }) => version));
}
