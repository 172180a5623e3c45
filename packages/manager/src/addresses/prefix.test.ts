// Prefixes: every address survives the way to a number and back, and overlap agrees with the platform's own lists.
import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressToNumber, formatAddress, formatPrefix, overlaps, parsePrefix } from './prefix.js';

const ipv4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ version: 4 as const, value }));
const ipv6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ version: 6 as const, value }));

describe('prefix', () => {
  it('writes and reads every address', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), ({ version, value }) => {
        const text = formatAddress(version, value);
        expect(isIP(text)).toBe(version);
        expect(addressToNumber(text)).toBe(value);
      }),
    );
  });

  it('reads what people write', () => {
    expect(formatPrefix(parsePrefix('10.1.2.3/8'))).toBe('10.0.0.0/8');
    expect(formatPrefix(parsePrefix('FD00:0:0::1/64'))).toBe('fd00::/64');
    expect(formatPrefix(parsePrefix('::ffff:10.0.0.1'))).toBe('::ffff:a00:1/128');
    expect(formatPrefix(parsePrefix('0.0.0.0/0'))).toBe('0.0.0.0/0');
  });

  it.each([
    '',
    '/',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/8x',
    'fe80::1%eth0/64',
    '::/129',
    'name',
    '10.0.0.0/',
  ])('refuses %j', (text) =>
    expect(() => parsePrefix(text)).toThrowError(expect.objectContaining({ kind: 'invalid' })),
  );

  it('finds an overlap exactly when an address is in both', () => {
    const prefix = fc
      .tuple(ipv4, fc.integer({ min: 8, max: 32 }))
      .map(([{ value }, length]) => `${formatAddress(4, value & 0x0fff_ffffn)}/${length}`);
    fc.assert(
      fc.property(prefix, prefix, (a, b) => {
        const list = new BlockList();
        const [one, two] = [parsePrefix(a), parsePrefix(b)];
        const [wide, narrow] = one.length <= two.length ? [one, two] : [two, one];
        list.addSubnet(formatAddress(4, wide.first), wide.length);
        expect(overlaps(one, two)).toBe(list.check(formatAddress(4, narrow.first)));
      }),
    );
  });
});
