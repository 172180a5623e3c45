// Agreeing on interface and tunnel types: the whole table against a plain statement of the rule.
import { create } from '@bufbuild/protobuf';
import {
  type Interface,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  TunnelSchema,
  TunnelType,
} from '@nsm/api';
import { tried } from '@nsm/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chooseInterfaces,
  chooseTunnel,
  inOrderOfPreference,
  restrictTunnels,
  tunnelable,
} from './negotiation.js';
import { WiringMatrix } from './wiring-matrix.js';

const { DEFAULT_INTERFACE, KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE, SRIOV_INTERFACE, HW_INTERFACE } =
  InterfaceType;
const { NO_PREFERENCE, FIRST, SECOND, THIRD } = InterfacePreference;
const of = (type: InterfaceType, preference: InterfacePreference = NO_PREFERENCE): Interface =>
  create(InterfaceSchema, { type, preference });

const types: readonly InterfaceType[] = [
  KERNEL_INTERFACE,
  MEM_INTERFACE,
  VHOST_INTERFACE,
  SRIOV_INTERFACE,
  HW_INTERFACE,
];

/**
 * The rule as a ranking: of all pairs that the lists allow and the forwarder joins, the one that is best for the client,
 * then of one type, then best for the endpoint.
 */
function best(client: readonly Interface[], endpoint: readonly Interface[], joined: Joined): string {
  const ranked = (list: readonly Interface[]): InterfaceType[] => {
    const rank = ({ preference }: Interface): number => preference || 9;
    return [1, 2, 3, 4, 5, 9].flatMap((n) => list.filter((one) => rank(one) === n).map(({ type }) => type));
  };
  const theirs = ranked(endpoint);
  const named = theirs.filter((type) => type !== DEFAULT_INTERFACE);
  const open = theirs.length !== named.length || theirs.length === 0;
  const pairs = ranked(client).flatMap((wish) =>
    (wish === DEFAULT_INTERFACE ? [...named, ...types] : [wish]).flatMap((ours) =>
      (open ? [...named, ...types] : named)
        .map((other) => ({ ours, other }))
        .toSorted((a, b) => Number(a.ours !== a.other) - Number(b.ours !== b.other)),
    ),
  );
  const pair = pairs.find(({ ours, other }) => joined(ours, other));
  return pair ? `${pair.ours} ${pair.other}` : 'none';
}

type Joined = (client: InterfaceType, endpoint: InterfaceType) => boolean;

function chosen(client: readonly Interface[], endpoint: readonly Interface[], joined: Joined): string {
  const agreed = chooseInterfaces(client, endpoint, joined);
  return agreed ? `${agreed.client.type} ${agreed.endpoint.type}` : 'none';
}

/** Same type to same type for these, and other pairs. */
const joins =
  (
    same: readonly InterfaceType[],
    others: readonly (readonly [InterfaceType, InterfaceType])[] = [],
  ): Joined =>
  (client, endpoint) =>
    client === endpoint
      ? same.includes(client)
      : others.some(([ours, other]) => ours === client && other === endpoint);

describe('chooseInterfaces', () => {
  it('orders FIRST to FIFTH, then the rest as listed', () => {
    const list = [
      of(MEM_INTERFACE),
      of(KERNEL_INTERFACE, THIRD),
      of(VHOST_INTERFACE),
      of(DEFAULT_INTERFACE, FIRST),
    ];
    expect(inOrderOfPreference(list).map(({ type }) => type)).toEqual([
      DEFAULT_INTERFACE,
      KERNEL_INTERFACE,
      MEM_INTERFACE,
      VHOST_INTERFACE,
    ]);
  });

  it('takes the best pair that the forwarder joins: every list of up to two, every forwarder', {
    timeout: 60_000,
  }, () => {
    const all = [DEFAULT_INTERFACE, ...types];
    const pairs = all.flatMap((a) => all.flatMap((b) => (a === b ? [] : [[a, b] as const])));
    const lists = [
      ...all.map((type) => [of(type)]),
      ...pairs.map(([a, b]) => [of(a), of(b)]),
      ...pairs.map(([a, b]) => [of(a), of(b, FIRST)]),
    ];
    const mixed = [
      [],
      [[MEM_INTERFACE, KERNEL_INTERFACE]],
      [
        [MEM_INTERFACE, KERNEL_INTERFACE],
        [KERNEL_INTERFACE, MEM_INTERFACE],
        [KERNEL_INTERFACE, HW_INTERFACE],
      ],
    ] as const;
    const subsets = Array.from({ length: 2 ** types.length }, (_, bits) =>
      types.filter((_type, index) => bits & (1 << index)),
    );
    const few = tried(subsets, ({ length }) => length <= 1 || length === types.length);
    const forwarders = few.flatMap((same) => mixed.map((others) => ({ same, others })));
    const wrong: string[] = [];
    for (const { same, others } of forwarders) {
      const joined = joins(same, others);
      for (const client of lists)
        for (const endpoint of [[], ...lists]) {
          const [is, should] = [chosen(client, endpoint, joined), best(client, endpoint, joined)];
          if (is !== should) wrong.push(JSON.stringify({ client, endpoint, same, others, is, should }));
        }
    }
    expect(wrong).toEqual([]);
  });

  it('does so for longer lists too', () => {
    const list = fc.shuffledSubarray([DEFAULT_INTERFACE, ...types]);
    const forwarder = fc.tuple(
      fc.subarray([...types]),
      fc.array(fc.tuple(fc.constantFrom(...types), fc.constantFrom(...types)), { maxLength: 6 }),
    );
    const rank = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(list, list, rank, rank, forwarder, (client, endpoint, ours, theirs, [same, others]) => {
        const [wanted, offered] = [
          client.map((type, index) => of(type, ours[index] as InterfacePreference)),
          endpoint.map((type, index) => of(type, theirs[index] as InterfacePreference)),
        ];
        const joined = joins(same, others);
        expect(chosen(wanted, offered, joined)).toBe(best(wanted, offered, joined));
      }),
    );
  });

  it.each([
    ['the client leaves it open: KERNEL', [of(DEFAULT_INTERFACE)], [], '1 1'],
    ['both leave it open: KERNEL', [of(DEFAULT_INTERFACE)], [of(DEFAULT_INTERFACE)], '1 1'],
    [
      'the client leaves it open: as the endpoint prefers',
      [of(DEFAULT_INTERFACE)],
      [of(KERNEL_INTERFACE, SECOND), of(MEM_INTERFACE, FIRST)],
      '3 3',
    ],
    ['the endpoint leaves it open: as the client asks', [of(MEM_INTERFACE)], [of(DEFAULT_INTERFACE)], '3 3'],
    ['of one type before of two', [of(MEM_INTERFACE)], [of(KERNEL_INTERFACE), of(MEM_INTERFACE)], '3 3'],
    ['of two types where there is no other', [of(MEM_INTERFACE)], [of(KERNEL_INTERFACE)], '3 1'],
    ['the other way round', [of(KERNEL_INTERFACE)], [of(MEM_INTERFACE)], '1 3'],
    [
      'what cannot be joined is passed over',
      [of(VHOST_INTERFACE, FIRST), of(KERNEL_INTERFACE, SECOND)],
      [of(KERNEL_INTERFACE)],
      '1 1',
    ],
    ['nothing can be joined', [of(VHOST_INTERFACE)], [of(KERNEL_INTERFACE)], 'none'],
  ])('%s', (_what, client, endpoint, expected) => {
    const joined = joins(
      [KERNEL_INTERFACE, MEM_INTERFACE, VHOST_INTERFACE],
      [
        [MEM_INTERFACE, KERNEL_INTERFACE],
        [KERNEL_INTERFACE, MEM_INTERFACE],
      ],
    );
    expect(chosen(client, endpoint, joined)).toBe(expected);
  });

  it('keeps the parameters that each side asks with', () => {
    const withName = (type: InterfaceType, name: string): Interface =>
      create(InterfaceSchema, { type, parameters: { interfaceParameters: { name } } });
    const agreed = chooseInterfaces(
      [withName(MEM_INTERFACE, 'client')],
      [withName(KERNEL_INTERFACE, 'endpoint')],
      () => true,
    );
    expect(agreed?.client.parameters?.interfaceParameters).toEqual({ name: 'client' });
    expect(agreed?.endpoint.parameters?.interfaceParameters).toEqual({ name: 'endpoint' });
    const open = [withName(DEFAULT_INTERFACE, 'any')];
    expect(chooseInterfaces(open, open, () => true)).toMatchObject({
      client: { type: KERNEL_INTERFACE, parameters: { interfaceParameters: { name: 'any' } } },
      endpoint: { type: KERNEL_INTERFACE, parameters: { interfaceParameters: { name: 'any' } } },
    });
  });
});

describe('tunnelable', () => {
  const { DEFAULT_TUNNEL } = TunnelType;
  const forwarder = new WiringMatrix().learn([
    { client: KERNEL_INTERFACE, endpoint: KERNEL_INTERFACE, tunnel: DEFAULT_TUNNEL },
    { client: KERNEL_INTERFACE, endpoint: DEFAULT_INTERFACE, tunnel: TunnelType.VXLAN },
    { client: KERNEL_INTERFACE, endpoint: DEFAULT_INTERFACE, tunnel: TunnelType.GRE },
    { client: MEM_INTERFACE, endpoint: DEFAULT_INTERFACE, tunnel: TunnelType.GRE },
  ]);
  const typesOver = (client: readonly Interface[], ...tunnels: TunnelType[]) =>
    tunnelable(
      client,
      tunnels.map((type) => create(TunnelSchema, { type })),
      forwarder,
    ).map(({ type, preference }) => [type, preference]);

  it('keeps what every tunnel can carry, in order', () => {
    const wanted = [of(KERNEL_INTERFACE), of(VHOST_INTERFACE), of(MEM_INTERFACE, FIRST)];
    expect(typesOver(wanted, TunnelType.GRE)).toEqual([
      [MEM_INTERFACE, NO_PREFERENCE],
      [KERNEL_INTERFACE, NO_PREFERENCE],
    ]);
    expect(typesOver(wanted, TunnelType.GRE, TunnelType.VXLAN)).toEqual([[KERNEL_INTERFACE, NO_PREFERENCE]]);
  });
  it('keeps nothing that needs a tunnel where there is none', () => {
    expect(typesOver([of(KERNEL_INTERFACE), of(MEM_INTERFACE)])).toEqual([]);
  });
  it('spells out DEFAULT_INTERFACE', () => {
    expect(typesOver([of(MEM_INTERFACE), of(DEFAULT_INTERFACE)], TunnelType.GRE)).toEqual([
      [MEM_INTERFACE, NO_PREFERENCE],
      [KERNEL_INTERFACE, NO_PREFERENCE],
    ]);
  });
  it('tells what is possible', () => {
    expect(forwarder.list('locally')).toBe('KERNEL_INTERFACE');
    expect(forwarder.list('tunnelled')).toBe('KERNEL_INTERFACE, MEM_INTERFACE');
  });
});

describe('chooseTunnel', () => {
  const tunnel = (type: TunnelType) => create(TunnelSchema, { type });
  it('takes the first of the other side that this one can do', () => {
    const { theirs, ours } = chooseTunnel(
      [tunnel(TunnelType.GRE), tunnel(TunnelType.MPLSoUDP), tunnel(TunnelType.VXLAN)],
      [tunnel(TunnelType.VXLAN), tunnel(TunnelType.MPLSoUDP)],
      () => '',
    );
    expect([theirs.type, ours.type]).toEqual([TunnelType.MPLSoUDP, TunnelType.MPLSoUDP]);
  });
  it('DEFAULT_TUNNEL leaves the choice to this side', () => {
    expect(
      chooseTunnel([tunnel(TunnelType.DEFAULT_TUNNEL)], [tunnel(TunnelType.VXLAN)], () => '').ours.type,
    ).toBe(TunnelType.VXLAN);
  });
  it('says what each side can do when nothing is shared', () => {
    expect(() =>
      chooseTunnel([tunnel(TunnelType.GRE)], [tunnel(TunnelType.VXLAN)], (types) => `${types}: no libbpf`),
    ).toThrowError(/offers GRE, this node can do VXLAN; 2: no libbpf$/);
  });
});

describe('restrictTunnels', () => {
  const possible = [TunnelType.VXLAN, TunnelType.GRE, TunnelType.MPLSoUDP].map((type) =>
    create(TunnelSchema, { type }),
  );
  const typesOf = (wanted?: readonly TunnelType[], service = '') =>
    restrictTunnels(possible, new Map(wanted && [[service, wanted]]), 'vpn').map(({ type }) => type);

  it('keeps to what is wanted, in that order', () => {
    expect(typesOf()).toEqual([TunnelType.VXLAN, TunnelType.GRE, TunnelType.MPLSoUDP]);
    expect(typesOf([TunnelType.MPLSoUDP, TunnelType.MPLSoGRE, TunnelType.VXLAN])).toEqual([
      TunnelType.MPLSoUDP,
      TunnelType.VXLAN,
    ]);
    expect(typesOf([TunnelType.MPLSoGRE])).toEqual([]);
    expect(typesOf([TunnelType.GRE], 'vpn')).toEqual([TunnelType.GRE]);
    expect(typesOf([TunnelType.GRE], 'other')).toHaveLength(3);
  });
});
