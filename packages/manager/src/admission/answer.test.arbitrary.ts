// Random answers of endpoints, as people write them: any spelling, length, host bits, repetition, and most of them nearly right.
import { create } from '@bufbuild/protobuf';
import { type ConnectionParameters, ConnectionParametersSchema } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import fc from 'fast-check';
import type { Mtu } from '../choice/mtu.js';

export interface RandomReply {
  readonly client: ConnectionParameters;
  readonly endpoint: ConnectionParameters;
}

/** The same address in another spelling: digits of IPv6 in upper case or with zeros in front, IPv4 as IPv6. */
export function respelled(text: string, how: number): string {
  const [address = '', length] = text.split('/');
  const parsed = IpPrefix.parseAddress(address);
  if (!parsed) return text;
  const slash = (bits: number): string => (length === undefined ? '' : `/${bits}`);
  if (parsed.version === 4) {
    if (how % 2 === 0) return text;
    return `::${how % 4 === 1 ? 'ffff' : 'FFFF'}:${address}${slash(96 + Number(length))}`;
  }
  const words = parsed.bytes.toString('hex').match(/.{4}/g) ?? [];
  const spelled = [address, words.join(':'), address.toUpperCase(), words.join(':').toUpperCase()][how % 4];
  return `${spelled}${slash(Number(length))}`;
}

const usual = { 4: IpPrefix.of('10.70.0.0/24'), 6: IpPrefix.of('fd70::/120') };
/** Now and then something that no host can have. */
const odd = [
  '224.0.0.5/24',
  '127.0.0.1/8',
  '0.0.0.0/0',
  '255.255.255.255',
  'fe80::1/64',
  'ff02::1',
  '::',
  'x',
  '10.0.0.1/33',
];

const version = fc.constantFrom<4 | 6>(4, 4, 6);
const host = version.chain((v) => fc.nat(30).map((n) => usual[v].at(BigInt(n))));
const length = fc.constantFrom(0, 0, 1, 1, 2, 8, undefined);
const address = fc.oneof(
  {
    weight: 30,
    arbitrary: fc
      .tuple(host, length)
      .map(([{ address: text, bits }, free]) => (free === undefined ? text : `${text}/${bits - free}`)),
  },
  { weight: 1, arbitrary: fc.constantFrom(...odd) },
);
const peer = fc.oneof(
  { weight: 30, arbitrary: host.map(({ address: text }) => text) },
  { weight: 1, arbitrary: fc.constantFrom('10.70.0.1/24', '10.70.0.255', 'fe80::1', 'y') },
);
const server = fc.oneof(
  { weight: 4, arbitrary: peer },
  { weight: 2, arbitrary: fc.constantFrom('9.9.9.9', '2620:fe::fe', '169.254.20.10') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '0.0.0.0',
      '::',
      '224.0.0.251',
      'ff02::fb',
      '255.255.255.255',
      '127.0.0.1',
      '10.70.0.255',
    ),
  },
);
const route = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.constantFrom('10.90', '10.91'), fc.integer({ min: 12, max: 32 }))
      .map(([net, bits]) => `${net}.7.9/${bits}`),
  },
  { weight: 4, arbitrary: fc.integer({ min: 20, max: 128 }).map((bits) => `fd90::77/${bits}`) },
  { weight: 3, arbitrary: address },
  { weight: 1, arbitrary: fc.constantFrom('0.0.0.0/0', '::/0', '224.0.0.0/4', 'fe80::/64', 'default') },
);

const few = <T>(one: fc.Arbitrary<T>, most: number): fc.Arbitrary<T[]> =>
  fc
    .tuple(fc.array(one, { maxLength: most }), fc.boolean())
    .map(([list, twice]) => (twice ? [...list, ...list] : list));
const mtu = fc.constantFrom(0, 0, 0, 0, 60, 576, 1279, 1280, 1400, 9000);

export const randomReply: fc.Arbitrary<RandomReply> = fc
  .record({
    addresses: few(address, 2),
    endpointAddresses: few(address, 2),
    peerAddresses: fc.oneof(
      { weight: 4, arbitrary: fc.constant<string[]>([]) },
      { weight: 1, arbitrary: few(peer, 1) },
    ),
    routes: few(route, 3),
    endpointRoutes: few(route, 1),
    mtu,
    endpointMtu: fc.constantFrom(0, 0, 0, 1300),
    dns: fc.oneof(
      { weight: 5, arbitrary: fc.constant<string[]>([]) },
      { weight: 2, arbitrary: few(server, 2) },
    ),
  })
  .map((answer) => ({
    client: create(ConnectionParametersSchema, {
      addresses: answer.addresses,
      peerAddresses: answer.peerAddresses,
      route: answer.routes,
      mtu: answer.mtu,
      dns: { servers: answer.dns },
    }),
    endpoint: create(ConnectionParametersSchema, {
      addresses: answer.endpointAddresses,
      route: answer.endpointRoutes,
      mtu: answer.endpointMtu,
    }),
  }));

/** The same reply, every address in it spelled otherwise. */
export function respellReply({ client, endpoint }: RandomReply, how: number): RandomReply {
  const all = (list: readonly string[]): string[] => list.map((text, at) => respelled(text, how + at));
  const respell = (side: ConnectionParameters): ConnectionParameters => ({
    ...side,
    addresses: all(side.addresses),
    peerAddresses: all(side.peerAddresses),
    route: all(side.route),
    ...(side.dns ? { dns: { ...side.dns, servers: all(side.dns.servers) } } : {}),
  });
  return { client: respell(client), endpoint: respell(endpoint) };
}

/** What fits through, mostly enough for everything, and what the client asks for. */
export const randomMtu: fc.Arbitrary<Mtu> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ usual: 1450, most: 1450 }) },
  { weight: 1, arbitrary: fc.constantFrom(1250, 1279, 1280).map((way) => ({ usual: way, most: way })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(68, 1279, 1280).map((asked) => ({ usual: asked, most: asked, asked })),
  },
);
