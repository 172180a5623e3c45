// An IPv4 or IPv6 address with its prefix length, as a value: however it is written, the same address is the same value.
import { isIPv4, isIPv6 } from 'node:net';
import { DecodeError } from '../decode-error.js';

/** AF_INET and AF_INET6, linux/socket.h. */
const families = { 4: 2, 6: 10 } as const;

/** The 96 bits in front of an IPv4 address that is written as an IPv6 one, RFC 4291, section 2.5.5.2. */
const mapped = 0xffffn;
const mappedLength = 96;

/**
 * An interface's address, a network, or a single address, which is a prefix of all its bits. Its text is the one that the
 * kernel's numbers are written as (RFC 5952), so that two are the same exactly when their texts are. An IPv4-mapped IPv6
 * address is the IPv4 address.
 */
export class IpPrefix {
  readonly version: 4 | 6;
  /** The address with its host bits. */
  readonly value: bigint;
  /** Leading bits that tell the network: 0–32 or 0–128. */
  readonly length: number;
  /** The lowest and the highest address of the network. */
  readonly first: bigint;
  readonly last: bigint;

  constructor(version: 4 | 6, value: bigint, length: number) {
    const hostMask = (1n << BigInt((version === 4 ? 32 : 128) - length)) - 1n;
    this.version = version;
    this.value = value;
    this.length = length;
    this.first = value & ~hostMask;
    this.last = value | hostMask;
  }

  /** Reads ADDRESS/LENGTH, or ADDRESS for all its bits; undefined for anything else. Zones (`fe80::1%eth0`) are not read. */
  static parse(text: string): IpPrefix | undefined {
    const slash = text.indexOf('/');
    const bytes = bytesOf(slash < 0 ? text : text.slice(0, slash));
    if (!bytes) return undefined;
    const bits = bytes.length * 8;
    const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
    const length = Number(digits);
    if (!/^\d{1,3}$/.test(digits) || length > bits) return undefined;
    const value = BigInt(`0x${bytes.toString('hex')}`);
    if (bits === 32) return new IpPrefix(4, value, length);
    return value >> 32n === mapped && length >= mappedLength
      ? new IpPrefix(4, value & 0xffff_ffffn, length - mappedLength)
      : new IpPrefix(6, value, length);
  }

  /** Reads an address without length; undefined for anything else. */
  static parseAddress(text: string): IpPrefix | undefined {
    return text.includes('/') ? undefined : IpPrefix.parse(text);
  }

  /** As `parse`. @throws DecodeError */
  static of(text: string): IpPrefix {
    const prefix = IpPrefix.parse(text);
    if (!prefix) throw new DecodeError(`not an IP prefix: ${JSON.stringify(text)}`);
    return prefix;
  }

  /** As `parseAddress`. @throws DecodeError */
  static ofAddress(text: string): IpPrefix {
    const address = IpPrefix.parseAddress(text);
    if (!address) throw new DecodeError(`not an IP address: ${JSON.stringify(text)}`);
    return address;
  }

  /** For sorting by network: IPv4 before IPv6, the lowest first, and of those the largest. */
  static compare(one: IpPrefix, other: IpPrefix): number {
    if (one.version !== other.version) return one.version - other.version;
    if (one.first !== other.first) return one.first < other.first ? -1 : 1;
    return one.length - other.length;
  }

  /** Bits of an address: 32 or 128. */
  get bits(): 32 | 128 {
    return this.version === 4 ? 32 : 128;
  }

  /** AF_INET (2) or AF_INET6 (10). */
  get family(): number {
    return families[this.version];
  }

  /** The address in network order: 4 or 16 bytes. */
  get bytes(): Buffer {
    return Buffer.from(this.value.toString(16).padStart(this.bits / 4, '0'), 'hex');
  }

  /** Text of the address, without length. */
  get address(): string {
    return formatIp(this.bytes);
  }

  /** The same without host bits. */
  get network(): IpPrefix {
    return new IpPrefix(this.version, this.first, this.length);
  }

  /** The address alone, as a prefix of all its bits. */
  get host(): IpPrefix {
    return new IpPrefix(this.version, this.value, this.bits);
  }

  /** True for a prefix of all bits: a single address. */
  get isHost(): boolean {
    return this.length === this.bits;
  }

  /** Another address of the same network, counted from its lowest, with the same length. */
  at(offset: bigint): IpPrefix {
    return new IpPrefix(this.version, this.first + offset, this.length);
  }

  /** Whether another's address, whatever its length, lies in this network. */
  contains(other: IpPrefix): boolean {
    return this.version === other.version && this.first <= other.value && other.value <= this.last;
  }

  overlaps(other: IpPrefix): boolean {
    return this.version === other.version && this.first <= other.last && other.first <= this.last;
  }

  /** ADDRESS/LENGTH, host bits kept. */
  toString(): string {
    return `${this.address}/${this.length}`;
  }
}

function bytesOf(text: string): Buffer | undefined {
  if (isIPv4(text)) return parseIpv4(text);
  return isIPv6(text) && !text.includes('%') ? parseIpv6(text) : undefined;
}

function parseIpv4(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number));
}

function parseIpv6(text: string): Buffer {
  let words = text;
  // An embedded IPv4 tail, as in ::ffff:192.0.2.1, is two more words.
  if (words.includes('.')) {
    const tail = words.lastIndexOf(':') + 1;
    const bytes = parseIpv4(words.slice(tail));
    words = `${words.slice(0, tail)}${bytes.readUInt16BE(0).toString(16)}:${bytes.readUInt16BE(2).toString(16)}`;
  }
  const [head = '', tail] = words.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const bytes = Buffer.alloc(16);
  before.forEach((word, index) => {
    bytes.writeUInt16BE(Number.parseInt(word, 16), index * 2);
  });
  after.forEach((word, index) => {
    bytes.writeUInt16BE(Number.parseInt(word, 16), (8 - after.length + index) * 2);
  });
  return bytes;
}

/** Text of an address of 4 or 16 bytes as they came, IPv6 in the form of RFC 5952. @throws DecodeError for any other length. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) throw new DecodeError(`an IP address of ${bytes.length} bytes`);
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push(((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `::ffff:${formatIp(bytes.subarray(12))}`;
  // The first longest run of two zero words or more is written ::
  let best = -1;
  let bestLength = 1;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > bestLength) {
      best = start;
      bestLength = length;
    }
    start += length;
  }
  const hex = (list: number[]): string => list.map((word) => word.toString(16)).join(':');
  return best < 0 ? hex(words) : `${hex(words.slice(0, best))}::${hex(words.slice(best + bestLength))}`;
}
