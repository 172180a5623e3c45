// Which networks of a pod are in the way of addresses and routes, and which are meant to be shared.
import { create } from '@bufbuild/protobuf';
import { InterfaceSchema } from '@nsm/api';
import { describe, expect, it } from 'vitest';
import { acceptedRoutes } from './accepted-routes.js';
import { keptWays, type Placing, refuseInTheWay } from './in-the-way.js';

const nse = 'nse0123456789ab';

function place(
  side: Placing['side'],
  given: Partial<Placing['given']>,
  networks: [prefix: string, name: string, id?: string, routed?: 'routed' | undefined][],
  shared: string[] = [],
  { nodes = [], accept = '' }: { nodes?: string[]; accept?: string } = {},
): void {
  const has = networks.map(([prefix, name, id = '', routed]) => ({
    prefix,
    interface: name,
    id,
    routed: routed !== undefined,
  }));
  const parameters = { interfaceParameters: { accept_routes: accept } };
  const accepted = acceptedRoutes(create(InterfaceSchema, { parameters }));
  const whole = { addresses: [], peers: [], routes: [], ...given };
  refuseInTheWay('e', { side, given: whole, networks: has, shared, kept: keptWays(nodes), accepted });
}

describe('refuseInTheWay', () => {
  const given = { addresses: ['10.60.0.5/24'], peers: [] };
  it.each([
    ['10.60.0.0/24', /gives the client 10.60.0.5\/24, and the client's pod has 10.60.0.0\/24 on eth0/],
    ['10.60.0.0/16', /has 10.60.0.0\/16 on eth0/],
    ['10.60.0.128/25', /has 10.60.0.128\/25 on eth0/],
    ['10.60.0.9/32', /has 10.60.0.9\/32 on eth0/],
  ])('names the interface that has %s', (network, message) => {
    expect(() =>
      place('client', given, [
        ['10.61.0.0/24', 'eth1'],
        [network, 'eth0'],
      ]),
    ).toThrow(message);
  });

  it('looks at peers that get a route too', () => {
    const hosts = { addresses: ['10.60.0.5/32'], peers: ['10.244.3.1'] };
    expect(() => place('client', hosts, [['10.244.0.0/16', 'eth0']])).toThrow(
      /the peer 10.244.3.1, .* on eth0/,
    );
    expect(() => place('client', hosts, [['10.245.0.0/16', 'eth0']])).not.toThrow();
  });

  it('lets an endpoint have its networks on all its connections, and on nothing else', () => {
    expect(() => place('endpoint', given, [['10.60.0.0/24', nse, 'a:1-2']])).not.toThrow();
    expect(() => place('endpoint', given, [['10.60.0.0/24', nse]])).toThrow(/on nse0123456789ab/);
    expect(() => place('endpoint', given, [['10.60.0.0/24', 'nsm0', 'a:1-2']])).toThrow(/on nsm0/);
    expect(() => place('client', given, [['10.60.0.0/24', nse, 'a:1-2']])).toThrow(/on nse0123456789ab/);
  });

  it('lets a connection have what the one has that it replaces', () => {
    expect(() => place('client', given, [['10.60.0.0/24', 'nsm0', 'a:1-2']], ['a:1-2'])).not.toThrow();
    expect(() => place('client', given, [['10.60.0.0/24', 'nsm0', 'a:1-3']], ['a:1-2', ''])).toThrow(
      /on nsm0/,
    );
    expect(() => place('client', given, [['10.60.0.0/24', 'eth0']], ['a:1-2', ''])).toThrow(/on eth0/);
  });

  describe('of routes', () => {
    const routes = (...list: string[]) => ({ routes: list });

    it.each([
      ['10.50.0.0/16', '10.50.0.0/16', 'routed'],
      ['10.50.1.0/24', '10.50.0.0/16', 'routed'],
      ['10.50.0.0/25', '10.50.0.0/24', undefined],
      ['fd50:1::/32', 'fd50::/16', 'routed'],
    ] as const)('refuses %s where the pod has %s elsewhere', (route, has, routed) => {
      expect(() => place('client', routes(route), [[has, 'eth0', '', routed]])).toThrow(
        `accept_routes=${route}`,
      );
    });

    it.each([
      ['a less specific route', '10.0.0.0/8', '10.50.0.0/16'],
      ['another network', '10.51.0.0/16', '10.50.0.0/16'],
      ['a default route', '0.0.0.0/0', '10.50.0.0/16'],
      ['half of everything', '128.0.0.0/1', '10.50.0.0/16'],
      ['what is inside a half of everything', '10.50.0.0/16', '0.0.0.0/1'],
    ])('takes %s', (_what, route, has) => {
      expect(() => place('client', routes(route), [[has, 'eth0', '', 'routed']])).not.toThrow();
    });

    it('takes what the client asks for, and all within it', () => {
      const has: Parameters<typeof place>[2] = [['10.50.0.0/16', 'eth0', '', 'routed']];
      const take = (accept: string) => () => place('client', routes('10.50.1.0/24'), has, [], { accept });
      expect(take('10.50.0.0/16')).not.toThrow();
      expect(take('fd00::/8, 10.50.1.0/24')).not.toThrow();
      expect(take('any')).not.toThrow();
      expect(take('10.50.1.0/25')).toThrow(/leave it out/);
      expect(take('10.50.1')).toThrow(/accept_routes: "10.50.1" is no prefix/);
    });

    it('shares the routes of the connection that is replaced, and of those to the same endpoint', () => {
      const has: Parameters<typeof place>[2] = [['10.50.0.0/16', 'nsm0', 'a:1-2', 'routed']];
      expect(() => place('client', routes('10.50.0.0/16'), has, ['a:1-2'])).not.toThrow();
      expect(() => place('client', routes('10.50.0.0/16'), has, ['a:1-3'])).toThrow(/on nsm0/);
    });

    it('refuses an address whose network lies within what the pod routes elsewhere', () => {
      expect(() =>
        place('client', { addresses: ['10.50.1.1/24'] }, [['10.50.0.0/16', 'eth0', '', 'routed']]),
      ).toThrow(/routes 10.50.0.0\/16 on eth0 already/);
      expect(() =>
        place('client', { addresses: ['10.60.1.1/8'] }, [['10.50.0.0/16', 'eth0', '', 'routed']]),
      ).not.toThrow();
      // However large its network is, packets to the address itself would no longer leave the pod.
      expect(() =>
        place('client', { addresses: ['10.50.1.1/8'] }, [['10.50.0.0/16', 'eth0', '', 'routed']]),
      ).toThrow(/gives the client 10.50.1.1\/8, and the client's pod routes 10.50.0.0\/16/);
    });

    it.each([
      ['its address', { addresses: ['10.99.0.1/32'] }],
      ['a network with it', { addresses: ['10.99.0.7/24'] }],
      ['a route to it', { routes: ['10.0.0.0/8'] }],
      ['it as a peer', { addresses: ['10.7.0.1/32'], peers: ['10.99.0.1'] }],
    ])('keeps the way to a node: refuses %s', (_what, given) => {
      const nodes = ['10.99.0.1', 'fd99::1'];
      expect(() => place('client', given, [], [], { nodes })).toThrow(/10.99.0.1, a node of the mesh/);
    });

    it('keeps the way to the metadata of the machine', () => {
      expect(() => place('client', routes('169.254.169.254/32'), [])).toThrow(/metadata service/);
      expect(() => place('client', routes('169.254.0.0/16'), [])).toThrow(/metadata service/);
      expect(() => place('client', { addresses: ['169.254.7.5/31'] }, [])).not.toThrow();
    });

    it('lets a client ask for a way to a node', () => {
      const nodes = ['10.99.0.1'];
      const accept = '10.0.0.0/8';
      expect(() => place('client', routes('10.0.0.0/8'), [], [], { nodes, accept })).not.toThrow();
      expect(() => place('client', routes('0.0.0.0/0'), [], [], { nodes })).not.toThrow();
    });
  });
});
