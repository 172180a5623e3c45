// Which networks of a pod are in the way of addresses, and which are meant to be shared.

import { describe, expect, it } from 'vitest';
import { type Placing, refuseInTheWay } from './in-the-way.js';

const nse = 'nse0123456789ab';

function place(
  side: Placing['side'],
  given: Placing['given'],
  networks: [prefix: string, name: string, id?: string][],
  shared: string[] = [],
): void {
  const has = networks.map(([prefix, name, id = '']) => ({ prefix, interface: name, id }));
  refuseInTheWay('e', { side, given, networks: has, shared });
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
});
