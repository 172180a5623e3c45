// IP prefixes as numbers: parsing, overlap, and the addresses inside.
import { isIPv4, isIPv6 } from 'node:net';
import { NsmError } from '@nsm/api';

export interface Prefix {
  readonly version: 4 | 6;
  /** The lowest address. */
  readonly first: bigint;
  /** The highest address. */
  readonly last: bigint;
  /** Bits. */
  readonly length: number;
}

/** @throws NsmError `invalid` for anything that is not ADDRESS/LENGTH. An address without length stands for itself. */
export function parsePrefix(text: string): Prefix {
  const [address = '', lengthText, ...rest] = text.split('/');
  const version = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined;
  if (version === undefined || rest.length > 0) throw notPrefix(text);
  const bits = version === 4 ? 32 : 128;
  const length =
    lengthText === undefined ? bits : /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (!(length <= bits)) throw notPrefix(text);
  const hostMask = (1n << BigInt(bits - length)) - 1n;
  const value = addressToNumber(address);
  return { version, first: value & ~hostMask, last: value | hostMask, length };
}

function notPrefix(text: string): NsmError {
  return new NsmError('invalid', `"${text}" is not an IP prefix; write it like 10.60.0.0/16 or fd00:60::/48`);
}

export function overlaps(a: Prefix, b: Prefix): boolean {
  return a.version === b.version && a.first <= b.last && b.first <= a.last;
}

export function formatPrefix({ version, first, length }: Prefix): string {
  return `${formatAddress(version, first)}/${length}`;
}

/** @param address valid IPv4 or IPv6 text. */
export function addressToNumber(address: string): bigint {
  if (isIPv4(address)) return BigInt(address.split('.').reduce((sum, part) => 256 * sum + Number(part), 0));
  // The URL parser of the platform knows every form of IPv6 text and gives back the shortest, RFC 5952.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}

export function formatAddress(version: 4 | 6, value: bigint): string {
  if (version === 4) {
    const number = Number(value);
    return `${number >>> 24}.${(number >>> 16) & 0xff}.${(number >>> 8) & 0xff}.${number & 0xff}`;
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
