// Prefixes are taken together where that changes nothing about what they hold.
import { IpPrefix } from '@nsm/netlink';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { aggregate } from './aggregate.js';

it.each([
  [
    ['10.244.1.0/24', '10.244.0.0/24', '10.244.2.0/24'],
    ['10.244.0.0/23', '10.244.2.0/24'],
  ],
  [
    ['10.244.1.7/24', '10.244.0.0/16', 'fd00::/64'],
    ['10.244.0.0/16', 'fd00::/64'],
  ],
  [['192.0.2.0/32', '192.0.2.1/32', '192.0.2.2/32', '192.0.2.3/32'], ['192.0.2.0/30']],
  [
    ['0.0.0.0/1', '128.0.0.0/1', '::/0'],
    ['0.0.0.0/0', '::/0'],
  ],
  [[], []],
])('%j is %j', (prefixes, expected) => {
  expect(aggregate(prefixes)).toEqual(expected);
});

it('an aggregate holds the same addresses, and no two of its prefixes are halves or within one another', () => {
  const prefix = fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
    .map(([last, length]) => `10.0.0.${last}/${length}`);
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 12 }), (prefixes) => {
      const hold = (all: readonly string[], address: number): boolean =>
        all.some((one) => IpPrefix.of(one).contains(IpPrefix.of(`10.0.0.${address}`)));
      const found = aggregate(prefixes);
      for (let address = 0; address < 256; address++)
        expect(hold(found, address)).toBe(hold(prefixes, address));
      expect(aggregate(found.toReversed())).toEqual(found);
    }),
  );
});
