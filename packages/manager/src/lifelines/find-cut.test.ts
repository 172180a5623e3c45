// What cuts a lifeline and what does not, by the kernel's rule of the longest prefix.
import { describe, expect, it } from 'vitest';
import { findCut } from './find-cut.js';

const lifelines = [
  { address: '10.9.2.1', what: 'manager "b"' },
  { address: 'fd00:9:2::1', what: 'the registry' },
];
const by = (present: string[], routes: string[], addresses: string[] = []): string | undefined =>
  findCut(lifelines, present, { routes, addresses })?.by;

describe('a lifeline', () => {
  it.each([
    // What the node reaches by its default route alone.
    [['10.9.1.0/24'], ['0.0.0.0/0'], [], 'route 0.0.0.0/0'],
    [['10.9.1.0/24'], ['0.0.0.0/1', '128.0.0.0/1'], [], 'route 0.0.0.0/1'],
    [['10.9.1.0/24'], ['10.0.0.0/8'], [], 'route 10.0.0.0/8'],
    [['10.9.1.0/24'], ['10.9.2.1/32'], [], 'route 10.9.2.1/32'],
    [['10.9.1.0/24'], ['10.9.2.1'], [], 'route 10.9.2.1'],
    [['10.9.1.0/24'], [], ['10.9.2.5/16'], 'address 10.9.2.5/16'],
    [['10.9.1.0/24'], [], ['10.9.2.0/31'], 'address 10.9.2.0/31'],
    [['fd00:9:1::/64'], ['::/0'], [], 'route ::/0'],
    [['fd00:9:1::/64'], [], ['FD00:9:2:0::5/48'], 'address FD00:9:2:0::5/48'],
    // A narrower route than the underlay's own, and one as narrow, which may have the better metric.
    [['10.9.0.0/16'], ['10.9.2.0/24'], [], 'route 10.9.2.0/24'],
    [['10.9.0.0/16'], ['10.9.0.0/16'], [], 'route 10.9.0.0/16'],
    // Its very address: packets would stay on the node.
    [['10.9.2.0/24'], [], ['10.9.2.1/32'], 'address 10.9.2.1/32'],
  ])('is cut: %j gets routes %j and addresses %j', (present, routes, addresses, expected) => {
    expect(by(present, routes, addresses)).toBe(expected);
  });

  it.each([
    // The underlay's own route is more specific.
    [['10.9.2.0/24', 'fd00:9:2::/64'], ['0.0.0.0/0', '::/0'], []],
    [['10.9.2.0/24'], ['0.0.0.0/1', '10.0.0.0/8', '10.9.0.0/16'], ['10.9.1.5/16']],
    [['10.9.2.1/32'], ['10.9.2.0/24'], []],
    // Elsewhere, or of the other version.
    [['10.9.1.0/24'], ['10.10.0.0/16', '128.0.0.0/1'], ['10.60.0.1/31']],
    [['fd00:9:2::/64'], ['fd00:10::/32'], ['fd60::1/127']],
  ])('is spared: %j gets routes %j and addresses %j', (present, routes, addresses) => {
    expect(by(present, routes, addresses)).toBeUndefined();
  });

  it('is found among thousands, against thousands of routes, without comparing each with each', () => {
    const many = Array.from({ length: 20_000 }, (_, n) => `172.16.${n >> 8}.${n & 255}/32`);
    const peers = Array.from({ length: 5000 }, (_, n) => ({
      address: `10.8.${n >> 8}.${n & 255}`,
      what: 'a manager',
    }));
    const cut = findCut([...peers, ...lifelines], many, { routes: [...many, '10.9.0.0/16'], addresses: [] });
    expect(cut).toEqual({ by: 'route 10.9.0.0/16', lifeline: lifelines[0] });
  });
});
