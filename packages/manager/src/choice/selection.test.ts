// The choice of an endpoint: order, reasons, and never one that does not fit.
import { create } from '@bufbuild/protobuf';
import {
  forwarder as fw,
  InterfaceSchema,
  InterfaceType,
  type NetworkServiceEndpoint,
  NetworkServiceEndpointSchema,
  registry,
  TunnelType,
} from '@nsm/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Gate } from '../policy/gate.js';
import type { Surroundings, Wanted } from './checks.js';
import { MissingCapabilities } from './missing-capabilities.js';
import { explainEndpoints, rankEndpoints, selectEndpoints } from './selection.js';
import { WiringMatrix } from './wiring-matrix.js';

const { KERNEL_INTERFACE } = InterfaceType;
const kernel = create(InterfaceSchema, { type: KERNEL_INTERFACE });
const memif = create(InterfaceSchema, { type: InterfaceType.MEM_INTERFACE });
const endpoint = (name: string, host: string, labels: Record<string, string> = {}): NetworkServiceEndpoint =>
  create(NetworkServiceEndpointSchema, {
    networkServiceName: 'svc',
    networkServiceHost: host,
    nseProviderName: name,
    interface: [kernel],
    labels: { selector: labels },
  });
const wanted: Wanted = { service: 'svc', labels: undefined, interfaces: [kernel] };
const around = (endpoints: NetworkServiceEndpoint[], more: Partial<Surroundings> = {}): Surroundings => ({
  manager: 'here',
  drained: false,
  endpoints,
  managers: new Map([
    ['there', create(registry.ManagerSchema, { name: 'there', alive: true })],
    ['dead', create(registry.ManagerSchema, { name: 'dead' })],
  ]),
  abilities: {
    missingCapabilities: new MissingCapabilities().learn({
      interfaces: [
        create(fw.InterfaceCapabilitySchema, {
          type: InterfaceType.HW_INTERFACE,
          missing: 'no pool of network devices is configured',
        }),
      ],
      tunnels: [],
    }),
    wirings: new WiringMatrix().learn([
      { client: KERNEL_INTERFACE, endpoint: KERNEL_INTERFACE, tunnel: TunnelType.DEFAULT_TUNNEL },
      { client: KERNEL_INTERFACE, endpoint: InterfaceType.DEFAULT_INTERFACE, tunnel: TunnelType.VXLAN },
    ]),
    physical: new Map(),
  },
  gate: new Gate({ source: { policy: undefined }, audit: { decision: () => undefined } }),
  connections: () => 0,
  recentFailure: () => undefined,
  lastChosen: () => 0,
  ...more,
});
const names = (list: { endpoint: NetworkServiceEndpoint; usable: boolean }[]): string[] =>
  list.filter(({ usable }) => usable).map(({ endpoint: { nseProviderName } }) => nseProviderName);

describe('rankEndpoints', () => {
  it('prefers local, then the least loaded, then the one not chosen for longest', () => {
    const list = [
      endpoint('far', 'there'),
      endpoint('busy', 'here'),
      endpoint('idle', 'here'),
      endpoint('idle-but-last', 'here'),
    ];
    const ranked = rankEndpoints(
      wanted,
      around(list, {
        connections: ({ nseProviderName }) => (nseProviderName === 'busy' ? 3 : 1),
        lastChosen: ({ nseProviderName }) => (nseProviderName === 'idle-but-last' ? 9 : 2),
      }),
    );
    expect(names(ranked)).toEqual(['idle', 'idle-but-last', 'busy', 'far']);
    expect(ranked[3]?.reason).toBe('on node there, 1 connection');
  });

  it('tries last what failed', () => {
    const ranked = rankEndpoints(
      wanted,
      around([endpoint('a', 'here'), endpoint('b', 'there')], {
        recentFailure: ({ nseProviderName }) => (nseProviderName === 'a' ? 'refused' : undefined),
      }),
    );
    expect(names(ranked)).toEqual(['b', 'a']);
    expect(ranked[1]?.reason).toContain('it failed: refused');
  });

  it('says why each other was dropped', () => {
    const list = [
      endpoint('labels', 'here', { app: 'x' }),
      endpoint('dead', 'dead'),
      endpoint('lost', 'nowhere'),
    ];
    const ranked = rankEndpoints(
      { ...wanted, labels: { $typeName: 'common.Label', selector: { app: 'y' } } },
      around(list),
    );
    expect(ranked.every(({ usable }) => !usable)).toBe(true);
    expect(ranked[0]?.reason).toBe('label app=y (has x) does not match');
    expect(
      rankEndpoints(wanted, around(list))
        .filter(({ usable }) => !usable)
        .map(({ reason }) => reason),
    ).toEqual(['its manager "dead" does not answer', 'its manager "nowhere" is not registered']);
    expect(
      rankEndpoints({ ...wanted, interfaces: [memif] }, around([endpoint('a', 'here')]))[0]?.reason,
    ).toMatch(/asks for MEM_INTERFACE, the endpoint offers KERNEL_INTERFACE/);
    const hardware = create(InterfaceSchema, { type: InterfaceType.HW_INTERFACE });
    expect(
      rankEndpoints({ ...wanted, interfaces: [hardware] }, around([endpoint('a', 'here')]))[0]?.reason,
    ).toMatch(/this node can join .*; HW_INTERFACE: no pool of network devices is configured$/);
  });

  it('keeps its order under any order of the records, and drops none that fits', () => {
    const some = fc.array(
      fc.record({ host: fc.constantFrom('here', 'there', 'dead'), load: fc.nat(3), failed: fc.boolean() }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(some, fc.integer(), (specs, seed) => {
        const list = specs.map(({ host }, index) => endpoint(`e${index}`, host));
        const spec = ({ nseProviderName }: NetworkServiceEndpoint) =>
          specs[Number(nseProviderName.slice(1))]!;
        const facts = {
          connections: (e: NetworkServiceEndpoint) => spec(e).load,
          recentFailure: (e: NetworkServiceEndpoint) => (spec(e).failed ? 'x' : undefined),
        };
        const ranked = names(rankEndpoints(wanted, around(list, facts)));
        const shuffled = list.toSorted(
          (a, b) =>
            ((Number(a.nseProviderName.slice(1)) * 7 + seed) % 5) -
            ((Number(b.nseProviderName.slice(1)) * 7 + seed) % 5),
        );
        expect(names(rankEndpoints(wanted, around(shuffled, facts)))).toEqual(ranked);
        expect(ranked).toHaveLength(specs.filter(({ host }) => host !== 'dead').length);
        const keys = ranked
          .map((name) => specs[Number(name.slice(1))]!)
          .map(({ failed, host, load }) => (failed ? 100 : 0) + (host === 'here' ? 0 : 10) + load);
        expect(keys).toEqual(keys.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe('explainEndpoints', () => {
  it('knows no label that an endpoint has not', () => {
    const asked: Wanted = {
      ...wanted,
      labels: { $typeName: 'common.Label', selector: { constructor: 'y' } },
    };
    const [only] = rankEndpoints(asked, around([endpoint('plain', 'here')]));
    expect(only?.reason).toBe('label constructor=y (has none) does not match');
  });

  it('looks at everything, also after what decided, and comes to the same order', () => {
    const list = [
      endpoint('other', 'dead', { app: 'x', tier: 'gold' }),
      endpoint('fits', 'here', { app: 'y' }),
    ];
    const asked: Wanted = { ...wanted, labels: { $typeName: 'common.Label', selector: { app: 'y' } } };
    const explained = explainEndpoints(asked, around(list));
    expect(explained).toMatchObject(rankEndpoints(asked, around(list)));
    const [, other] = explained;
    expect(other?.checks.map(({ about, passed, text }) => [about, passed, text()])).toEqual([
      ['policy', true, 'no policy is in force'],
      ['provider', true, 'user unknown provides it'],
      ['labels', false, 'label app=y (has x) does not match'],
      ['node', false, 'its manager "dead" does not answer'],
      ['interfaces', true, 'KERNEL_INTERFACE to KERNEL_INTERFACE'],
    ]);
    expect(other?.checks.find(({ about }) => about === 'labels')).toMatchObject({
      labels: [{ key: 'app', wanted: 'y', has: 'x' }],
    });
  });

  it('says of each that could be chosen why another goes before it', () => {
    const list = ['a', 'b', 'busy', 'failed', 'late'].map((name) => endpoint(name, 'here'));
    const explained = explainEndpoints(
      wanted,
      around([...list, endpoint('far', 'there'), endpoint('gone', 'dead')], {
        connections: ({ nseProviderName }) => (nseProviderName === 'busy' ? 2 : 1),
        recentFailure: ({ nseProviderName }) => (nseProviderName === 'failed' ? 'refused' : undefined),
        lastChosen: ({ nseProviderName }) => (nseProviderName === 'late' ? 7 : 3),
      }),
    );
    expect(explained.map(({ endpoint: { nseProviderName }, lost }) => [nseProviderName, lost])).toEqual([
      ['a', ''],
      ['b', 'all else is equal, and its name comes later'],
      ['late', 'it was chosen later'],
      ['busy', 'it has more connections of this node'],
      ['far', 'it is on another node'],
      ['failed', 'it failed lately'],
      ['gone', ''],
    ]);
  });
});

describe('selectEndpoints', () => {
  it('names the services there are when nobody provides one', () => {
    expect(() =>
      selectEndpoints({ ...wanted, service: 'firewal' }, around([]), () => ['vpn-gateway', 'firewall']),
    ).toThrowError('no endpoint provides network service "firewal"; known: firewall, vpn-gateway');
  });

  it('says that what is known may be old while the registry is away', () => {
    expect(() => selectEndpoints(wanted, around([]), () => [], true)).toThrowError(
      'no network service is advertised yet; the registry does not answer: endpoints that came since are not known here',
    );
  });

  it('names ten of many services and of many endpoints', () => {
    const many = Array.from({ length: 1000 }, (_, n) => `s${String(n).padStart(3, '0')}`);
    expect(() => selectEndpoints({ ...wanted, service: 'x' }, around([]), () => many)).toThrowError(
      'known: s000, s001, s002, s003, s004, s005, s006, s007, s008, s009, … and 990 more',
    );
    const dead = many.map((name) => endpoint(name, 'dead'));
    expect(() => selectEndpoints(wanted, around(dead), () => [])).toThrowError(
      /fits: s000: its manager "dead" does not answer; s001: .*; s009: [^;]*; … and 990 more$/,
    );
  });
});
