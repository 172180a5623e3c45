// Addresses as values: every spelling of one is the same, and overlap agrees with the platform's own lists.
import { BlockList, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../decode-error.js';
import { formatIp, IpPrefix } from './ip-prefix.js';
import { formatMac, parseMac } from './mac-address.js';

describe('IpPrefix', () => {
  it.each([
    // RFC 5952 §4 and §5.
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::A', '2001:db8::a'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['0:0::ffff:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['192.0.2.1', '192.0.2.1'],
  ])('writes %s as %s', (text, canonical) => {
    expect(IpPrefix.ofAddress(text).address).toBe(canonical);
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', 'fe80::1%eth0', ':::', '1.2.3.4 ', 'x'])(
    'refuses %j',
    (text) => {
      expect(IpPrefix.parseAddress(text)).toBeUndefined();
      expect(() => IpPrefix.ofAddress(text)).toThrow(DecodeError);
    },
  );

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '::/129', '10.0.0.0/08x', '/8', '10.0.0.0/8/8'])(
    'refuses prefix %j',
    (text) => {
      expect(IpPrefix.parse(text)).toBeUndefined();
      expect(() => IpPrefix.of(text)).toThrow(DecodeError);
    },
  );

  it('comes back from its text', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      // Many zeros, for the runs that are left out.
      fc
        .array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 })
        .map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(bytes, (value) => {
        const text = formatIp(value);
        expect([...IpPrefix.ofAddress(text).bytes]).toEqual([...value]);
        if (value.length === 16) expect(isIPv6(text)).toBe(true);
      }),
    );
  });

  it.each([
    ['10.1.2.3/8', '10.1.2.3/8', '10.0.0.0/8', '10.255.255.255'],
    ['10.1.2.3', '10.1.2.3/32', '10.1.2.3/32', '10.1.2.3'],
    ['FD00:0:0::0005/64', 'fd00::5/64', 'fd00::/64', 'fd00::ffff:ffff:ffff:ffff'],
    ['::ffff:10.1.2.3/104', '10.1.2.3/8', '10.0.0.0/8', '10.255.255.255'],
    ['::ffff:10.1.2.3/95', '::ffff:10.1.2.3/95', '::fffe:0:0/95', '::ffff:255.255.255.255'],
    ['0.0.0.0/0', '0.0.0.0/0', '0.0.0.0/0', '255.255.255.255'],
  ])('reads %s as %s in %s up to %s', (text, canonical, network, last) => {
    const prefix = IpPrefix.of(text);
    expect(`${prefix}`).toBe(canonical);
    expect(`${prefix.network}`).toBe(network);
    expect(formatIp(prefix.at(prefix.last - prefix.first).bytes)).toBe(last);
    expect(`${prefix.host}`).toBe(`${prefix.address}/${prefix.bits}`);
  });

  it('finds an overlap exactly when an address is in both', () => {
    const prefix = fc
      .tuple(fc.bigInt({ min: 0n, max: 0x0fff_ffffn }), fc.integer({ min: 8, max: 32 }))
      .map(([value, length]) => new IpPrefix(4, value, length));
    fc.assert(
      fc.property(prefix, prefix, (one, two) => {
        const list = new BlockList();
        const [wide, narrow] = one.length <= two.length ? [one, two] : [two, one];
        list.addSubnet(wide.network.address, wide.length);
        expect(one.overlaps(two)).toBe(list.check(narrow.network.address));
        expect(wide.contains(narrow)).toBe(list.check(narrow.address));
      }),
    );
  });

  it('refuses other lengths', () => {
    expect(() => formatIp(new Uint8Array(5))).toThrow(DecodeError);
  });
});

describe('hardware addresses', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), (value) => {
        expect([...parseMac(formatMac(value))]).toEqual([...value]);
      }),
    );
  });

  it.each(['', '02', '02:', '02:zz', '02-00-00-00-00-01', '0:0:0:0:0:1'].slice(2))('refuses %j', (text) => {
    expect(() => parseMac(text)).toThrow(DecodeError);
  });
});
