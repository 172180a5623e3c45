// What endpoints answer: what is made of it, what is refused and in which words, and what holds of every answer that is taken.
import { create } from '@bufbuild/protobuf';
import { ConnectionParametersSchema, NsmError } from '@nsm/api';
import { IpPrefix, whyNoDestination, whyNoHostAddress } from '@nsm/netlink';
import { thorough } from '@nsm/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mtu } from '../choice/mtu.js';
import {
  type Answer,
  type Answerer,
  type GivenSide,
  judgeAnswer,
  leavesAddresses,
  type Reply,
} from './answer.js';
import { type RandomReply, randomMtu, randomReply, respellReply } from './answer.test.arbitrary.js';

const numRuns = thorough ? 5000 : 800;
const endpoint: Answerer = { kind: 'endpoint', name: 'odd' };
const pair = { client: '10.60.0.1/31', endpoint: '10.60.0.0/31', prefix: '10.60.0.0/31' };
const pairs = [pair, { client: 'fd60::1/127', endpoint: 'fd60::/127', prefix: 'fd60::/127' }];

interface Given {
  readonly a?: string[];
  readonly e?: string[];
  readonly peers?: string[];
  readonly routes?: string[];
  readonly endpointRoutes?: string[];
  readonly dns?: string[];
  readonly search?: string[];
  readonly mtu?: number;
}

function replyOf({
  a = [],
  e = [],
  peers = [],
  routes = [],
  endpointRoutes = [],
  dns = [],
  search = [],
  mtu = 0,
}: Given): Reply {
  return {
    client: create(ConnectionParametersSchema, {
      addresses: a,
      peerAddresses: peers,
      route: routes,
      dns: { servers: dns, searchDomains: search },
      mtu,
    }),
    endpoint: create(ConnectionParametersSchema, { addresses: e, route: endpointRoutes }),
  };
}

function judge(given: Given): Answer {
  const reply = replyOf(given);
  return judgeAnswer(endpoint, reply, {
    pairs: leavesAddresses(reply) ? [pair] : [],
    mtu: { usual: 1450, most: 1450 },
  });
}

describe('judgeAnswer', () => {
  it.each<[string, Given, Given]>([
    ['nothing: the manager chooses', {}, { a: [pair.client], e: [pair.endpoint], peers: ['10.60.0.0'] }],
    [
      'upper case and zeros',
      { a: ['FD00:66::0005/64'], e: ['FD00:66:0::0001/64'], routes: ['FD00:0099::/48'] },
      {
        a: ['fd00:66::5/64'],
        e: ['fd00:66::1/64'],
        routes: ['fd00:99::/48'],
        peers: ['fd00:66::1'],
        endpointRoutes: ['fd00:66::5/128'],
      },
    ],
    [
      'IPv4 as IPv6',
      { a: ['::ffff:10.66.0.5/127'], e: ['::FFFF:10.66.0.4/127'] },
      { a: ['10.66.0.5/31'], e: ['10.66.0.4/31'], peers: ['10.66.0.4'] },
    ],
    [
      'no length: a single address with a route to the other',
      { a: ['10.65.0.5'], e: ['10.65.0.4'] },
      {
        a: ['10.65.0.5/32'],
        e: ['10.65.0.4/32'],
        peers: ['10.65.0.4'],
        routes: ['10.65.0.4/32'],
        endpointRoutes: ['10.65.0.5/32'],
      },
    ],
    [
      'different networks',
      { a: ['10.69.0.5/24'], e: ['10.71.0.1/24'] },
      {
        a: ['10.69.0.5/24'],
        e: ['10.71.0.1/24'],
        peers: ['10.71.0.1'],
        routes: ['10.71.0.1/32'],
        endpointRoutes: ['10.69.0.5/32'],
      },
    ],
    [
      'repetitions',
      { a: ['10.67.0.5/31', '10.67.0.5/31'], e: ['10.67.0.4/31'], routes: ['10.98.0.0/16', '10.98.0.0/16'] },
      { a: ['10.67.0.5/31'], e: ['10.67.0.4/31'], peers: ['10.67.0.4'], routes: ['10.98.0.0/16'] },
    ],
    [
      'a client alone gets the other address of two',
      { a: ['10.67.0.5/31'] },
      { a: ['10.67.0.5/31'], e: ['10.67.0.4/31'], peers: ['10.67.0.4'] },
    ],
    [
      'a client alone gets the first of its network',
      { a: ['10.67.0.5/24', 'fd67::1/64'] },
      {
        a: ['10.67.0.5/24', 'fd67::1/64'],
        e: ['10.67.0.1/24', 'fd67::2/64'],
        peers: ['10.67.0.1', 'fd67::2'],
        endpointRoutes: ['10.67.0.5/32', 'fd67::1/128'],
      },
    ],
    [
      'an endpoint alone',
      { e: ['fd67::/127'] },
      { a: ['fd67::1/127'], e: ['fd67::/127'], peers: ['fd67::'] },
    ],
    [
      'an endpoint that answers elsewhere',
      { a: ['10.70.0.9/24'], peers: ['10.70.0.1'] },
      { a: ['10.70.0.9/24'], e: [], peers: ['10.70.0.1'] },
    ],
    [
      'routes that lead there anyway',
      {
        a: ['10.70.0.9/24'],
        e: ['10.70.0.8/24'],
        routes: ['10.70.0.0/24', '10.70.0.8/32', '10.70.0.9', '10.70.0.128/25'],
      },
      {
        a: ['10.70.0.9/24'],
        e: ['10.70.0.8/24'],
        peers: ['10.70.0.8'],
        routes: ['10.70.0.128/25'],
        endpointRoutes: ['10.70.0.9/32'],
      },
    ],
    [
      'link-local IPv4',
      { a: ['169.254.7.5/31'], e: ['169.254.7.4/31'] },
      { a: ['169.254.7.5/31'], e: ['169.254.7.4/31'], peers: ['169.254.7.4'] },
    ],
  ])(
    'makes of an answer what it means: %s',
    (_, given, { a, e, peers, routes = [], endpointRoutes = [] }) => {
      expect(judge(given)).toMatchObject({
        client: { addresses: a, peers, routes },
        endpoint: { addresses: e, peers: a?.map((text) => text.split('/')[0]), routes: endpointRoutes },
      });
    },
  );

  it.each([
    ['mesh'],
    ['svc.cluster.local'],
    ['example.org.'],
    ['_tcp.a-b.example'],
    ['xn--bcher-kva.example'],
  ])('takes the search domain %s', (one) =>
    expect(judge({ search: [one] }).client.addresses).toHaveLength(1),
  );

  it.each<[Given, string]>([
    [{ search: ['a b'] }, 'client_parameters.dns.search_domains "a b" is no domain name'],
    [{ search: ['x\nnameserver 6.6.6.6'] }, 'client_parameters.dns.search_domains'],
    [
      { search: ['a'.repeat(64)] },
      `client_parameters.dns.search_domains "${'a'.repeat(64)}" is no domain name`,
    ],
    [{ search: [''] }, 'client_parameters.dns.search_domains "" is no domain name'],
    [
      { routes: ['fd00:99::/48'] },
      'client_parameters.route "fd00:99::/48" leads nowhere: there is no IPv6 address',
    ],
    [{ routes: ['x'] }, 'client_parameters.route "x" is no prefix'],
    [{ routes: ['224.0.0.0/4'] }, 'client_parameters.route "224.0.0.0/4" is a multicast address'],
    [{ endpointRoutes: ['::/0'] }, 'endpoint_parameters.route "::/0" leads nowhere'],
    [{ a: ['10.0.0.5/24'], e: ['10.0.0.5/24'] }, 'client_parameters.addresses "10.0.0.5/24" stands in '],
    [
      { a: ['10.0.0.5/24'], peers: ['::ffff:10.0.0.5'] },
      'client_parameters.addresses "10.0.0.5/24" stands in ',
    ],
    [{ a: ['10.0.0.0/24'] }, 'client_parameters.addresses "10.0.0.0/24" is the address of its network'],
    [
      { e: ['10.0.0.255/24'], a: ['10.0.0.5/24'] },
      'endpoint_parameters.addresses "10.0.0.255/24" is the broadcast address',
    ],
    [
      { a: ['10.0.0.5/24'], e: ['10.0.0.0/31'] },
      'endpoint_parameters.addresses "10.0.0.0/31" is the address of its network, 10.0.0.0/24 of the other side',
    ],
    [{ a: ['224.0.0.5/24'] }, 'client_parameters.addresses "224.0.0.5/24" is a multicast address'],
    [{ a: ['FE80::5/64'] }, 'client_parameters.addresses "fe80::5/64" is link-local'],
    [{ a: ['10.0.0.300/24'] }, 'client_parameters.addresses "10.0.0.300/24" is no address'],
    [
      { a: ['10.0.0.5/24', '10.0.0.5/16'] },
      'client_parameters.addresses "10.0.0.5/16" is there with length 24 too',
    ],
    [{ a: ['10.0.0.5/32'] }, 'client_parameters.addresses "10.0.0.5/32" leaves no address of its network'],
    [
      { e: ['10.0.0.5/24'] },
      'endpoint_parameters.addresses "10.0.0.5/24" has no address of the client beside it',
    ],
    [{ peers: ['fd00::1'] }, 'client_parameters.peer_addresses "fd00::1/128" leads nowhere'],
    [
      { peers: ['10.0.0.1/24'] },
      'client_parameters.peer_addresses "10.0.0.1/24" is no address without length',
    ],
    [{ mtu: 575 }, 'client_parameters.mtu 575 is below the 576 bytes that IPv4 needs'],
    [{ mtu: 1279, a: ['fd00::5/64'] }, 'client_parameters.mtu 1279 is below the 1280 bytes that IPv6 needs'],
    [{ dns: ['0.0.0.0'] }, 'client_parameters.dns.servers "0.0.0.0/32" stands for "this network"'],
    [{ dns: ['::'] }, 'client_parameters.dns.servers "::/128" is the unspecified address'],
    [{ dns: ['224.0.0.251'] }, 'client_parameters.dns.servers "224.0.0.251/32" is a multicast address'],
    [{ dns: ['ff02::fb'] }, 'client_parameters.dns.servers "ff02::fb/128" is a multicast address'],
    [{ dns: ['255.255.255.255'] }, 'client_parameters.dns.servers "255.255.255.255/32" is of the reserved'],
    [{ dns: ['127.0.0.53'] }, 'client_parameters.dns.servers "127.0.0.53/32" is a loopback address'],
    [
      { a: ['10.0.0.5/24'], dns: ['9.9.9.9', '10.0.0.255'] },
      'client_parameters.dns.servers "10.0.0.255/32" is the broadcast address of its network, 10.0.0.0/24',
    ],
    [{ dns: ['dns.example'] }, 'client_parameters.dns.servers "dns.example" is no address'],
    [
      { a: Array.from({ length: 65 }, (_, n) => `10.0.0.${n + 1}/16`) },
      'client_parameters.addresses has 65 entries',
    ],
  ])('refuses %j: %s', (given, reason) => {
    expect(() => judge(given)).toThrow(
      expect.objectContaining({
        kind: 'endpoint-refused',
        message: expect.stringContaining(`endpoint "odd" gave an answer that cannot be used: ${reason}`),
      }),
    );
  });

  it('has the smallest MTU that anybody asks for, and says what it put right', () => {
    expect(judge({ mtu: 576 }).mtu).toBe(576);
    expect(judge({ mtu: 9000 }).mtu).toBe(1450);
    expect(judge({ routes: ['10.99.1.5/16', '10.60.0.0/31'] }).notes).toEqual([
      'client_parameters.route "10.99.1.5/16" has host bits: 10.99.0.0/16 it is',
      'client_parameters.route "10.60.0.0/31" left out: the address leads there',
    ]);
  });

  it.each<[Mtu, Given, string, string]>([
    [
      { usual: 1279, most: 1279, asked: 1279 },
      { a: ['10.0.0.5/31', 'fd00::5/127'] },
      'invalid',
      'interface parameter mtu 1279 is below the 1280 bytes that IPv6 needs, of which the connection has addresses; ask for 1280 or more',
    ],
    [
      { usual: 1250, most: 1250 },
      { a: ['fd00::5/127'] },
      'dataplane',
      'the way to the endpoint carries packets of 1250 bytes, below the 1280 bytes that IPv6 needs',
    ],
  ])('refuses %j for %j', (mtu, given, kind, message) => {
    expect(() => judgeAnswer(endpoint, replyOf(given), { pairs: [], mtu })).toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(message) }),
    );
    expect(judgeAnswer(endpoint, replyOf({ a: ['10.0.0.5/31'] }), { pairs: [], mtu }).mtu).toBe(mtu.most);
  });

  it('wants of another manager that it names the endpoint to its client', () => {
    const { client } = replyOf({ a: ['10.0.0.5/24'] });
    expect(() =>
      judgeAnswer(
        { kind: 'manager', name: 'node-b' },
        { client },
        { pairs: [], mtu: { usual: 1450, most: 1450 } },
      ),
    ).toThrow(
      expect.objectContaining({
        kind: 'manager-refused',
        message: expect.stringContaining(
          'manager "node-b" gave an answer that cannot be used: connection_parameters.addresses',
        ),
      }),
    );
  });

  it('of every answer: refuses it in words, or makes of it what a kernel can carry packets by', {
    timeout: 120_000,
  }, () => {
    let accepted = 0;
    fc.assert(
      fc.property(randomReply, randomMtu, (reply, fits) => {
        const answer = outcomeOf(reply, fits);
        if (answer instanceof NsmError) {
          if (answer.kind === (fits.asked === undefined ? 'dataplane' : 'invalid')) {
            expect(answer.message).toMatch(/ below the 1280 bytes that IPv6 needs, /);
            return;
          }
          expect(answer.kind).toBe('endpoint-refused');
          expect(answer.message).toMatch(/^endpoint "odd" .*(client|endpoint)_parameters\.[a-z_.]+ /);
          return;
        }
        accepted++;
        holds(answer);
        // The client's manager, to which the endpoint's sends it, takes it as it is.
        const { client, mtu, dnsServers } = answer;
        const sent = replyOf({
          a: [...client.addresses],
          peers: [...client.peers],
          routes: [...client.routes],
          mtu,
          dns: [...dnsServers],
        });
        const again = judgeAnswer(
          { kind: 'manager', name: 'm' },
          { client: sent.client },
          { pairs: [], mtu: { usual: mtu, most: mtu } },
        );
        expect(again).toMatchObject({ client, mtu, dnsServers });
      }),
      { numRuns },
    );
    expect(accepted).toBeGreaterThan(numRuns / 10);
  });

  it('makes the same of an answer however it is spelled', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(randomReply, fc.nat(7), (reply, how) => {
        const [one, other] = [outcomeOf(reply), outcomeOf(respellReply(reply, how))];
        if (one instanceof NsmError) expect(other).toBeInstanceOf(NsmError);
        else expect(other).toMatchObject({ client: one.client, endpoint: one.endpoint, mtu: one.mtu });
      }),
      { numRuns },
    );
  });
});

function outcomeOf(reply: RandomReply, mtu: Mtu = { usual: 1450, most: 1450 }): Answer | NsmError {
  try {
    return judgeAnswer(endpoint, reply, {
      pairs: leavesAddresses(reply) ? pairs : [],
      mtu,
    });
  } catch (error) {
    if (error instanceof NsmError) return error;
    throw error;
  }
}

function holds({ client, endpoint: other, mtu, dnsServers }: Answer): void {
  const [own, theirs] = [client, other].map(({ addresses }) => addresses.map(IpPrefix.of)) as [
    IpPrefix[],
    IpPrefix[],
  ];
  const peers = client.peers.map(IpPrefix.ofAddress);
  for (const side of [client, other]) canonical(side);
  expect(own.length).toBeGreaterThan(0);
  expect([...own, ...theirs].map(whyNoHostAddress).join('')).toBe('');
  expect(new Set(peers.map(({ version }) => version))).toEqual(new Set(own.map(({ version }) => version)));
  // Nobody is spoken to who is oneself, and everybody is reached.
  expect(own.some(({ address }) => client.peers.includes(address))).toBe(false);
  expect(other.peers).toEqual(own.map(({ address }) => address));
  for (const peer of peers) expect(reaches(own, client.routes, peer)).toBe(true);
  for (const peer of own)
    if (theirs.some(({ version }) => version === peer.version))
      expect(reaches(theirs, other.routes, peer)).toBe(true);
  for (const server of dnsServers) expect(whyNoHostAddress(IpPrefix.ofAddress(server))).toBe('');
  expect(mtu).toBeLessThanOrEqual(1450);
  expect(mtu).toBeGreaterThanOrEqual(own.some(({ version }) => version === 6) ? 1280 : 68);
}

function reaches(own: readonly IpPrefix[], routes: readonly string[], peer: IpPrefix): boolean {
  return (
    routes.includes(String(peer.host)) || own.some((address) => !address.isHost && address.contains(peer))
  );
}

/** Written in one way, nothing twice, every route possible and to somewhere else than the own network. */
function canonical({ addresses, peers, routes }: GivenSide): void {
  expect(addresses.map((text) => String(IpPrefix.of(text)))).toEqual(addresses);
  expect(peers.map((text) => IpPrefix.ofAddress(text).address)).toEqual(peers);
  expect(routes.map((text) => String(IpPrefix.of(text).network))).toEqual(routes);
  for (const list of [addresses, peers, routes]) expect(new Set(list).size).toBe(list.length);
  for (const route of routes.map(IpPrefix.of)) {
    expect(whyNoDestination(route)).toBe('');
    expect(peers.some((peer) => IpPrefix.of(peer).version === route.version)).toBe(true);
    expect(addresses.some((own) => String(IpPrefix.of(own).network) === String(route))).toBe(false);
  }
}
