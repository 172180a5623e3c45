// Addresses within prefixes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Subnet } from './subnet.js';

describe('Subnet', () => {
  it.each([
    ['172.30.0.0/24', 254, '172.30.0.1', '172.30.0.254'],
    ['10.0.0.0/31', 2, '10.0.0.0', '10.0.0.1'],
    ['10.0.0.7/32', 1, '10.0.0.7', '10.0.0.7'],
    ['fd00:30::/126', 2, 'fd00:30::1', 'fd00:30::2'],
    ['fd00::/127', 2, 'fd00::', 'fd00::1'],
    ['255.255.255.0/24', 254, '255.255.255.1', '255.255.255.254'],
  ])('numbers the hosts of %s', (text, hosts, first, last) => {
    const subnet = Subnet.parse(text);
    expect(subnet?.hosts).toBe(hosts);
    expect(subnet?.host(1)).toBe(first);
    expect(subnet?.host(hosts)).toBe(last);
    expect(() => subnet?.host(hosts + 1)).toThrow(RangeError);
    expect(subnet?.toString()).toBe(text);
  });

  it.each([
    '',
    'a/8',
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.1/24',
    '10.0.0.0/8/8',
    'fd00::1/64',
    'fe80::%eth0/64',
    '10.0.0.0/-1',
  ])('refuses "%s"', (text) => expect(Subnet.parse(text)).toBeUndefined());

  it('contains its own hosts and no other family', () => {
    fc.assert(
      fc.property(
        fc.ipV4(),
        fc.ipV6(),
        fc.integer({ min: 0, max: 30 }),
        fc.nat(1000),
        (v4, v6, length, index) => {
          const bits = BigInt(v4.split('.').reduce((sum, part) => sum * 256 + Number(part), 0));
          const network = (bits >> BigInt(32 - length)) << BigInt(32 - length);
          const text = [24n, 16n, 8n, 0n].map((shift) => (network >> shift) & 255n).join('.');
          const subnet = Subnet.parse(`${text}/${length}`);
          expect(subnet?.contains(v4)).toBe(true);
          expect(subnet?.contains(v6)).toBe(false);
          expect(subnet?.contains(subnet.host(1 + (index % subnet.hosts)))).toBe(true);
        },
      ),
    );
  });
});
