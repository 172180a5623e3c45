// IPv4 and IPv6 addresses and prefixes: text to bytes and back (RFC 4291, RFC 5952).
import { isIPv4, isIPv6 } from 'node:net';
import { DecodeError } from './decode-error.js';
import { AF_INET, AF_INET6 } from './libc.js';

const parseIpv4 = (text: string): Buffer => Buffer.from(text.split('.').map(Number));

const parseIpv6 = (text: string): Buffer => {
  let words = text;
  // An embedded IPv4 tail, as in ::ffff:192.0.2.1, is two more words.
  const dot = words.lastIndexOf(':');
  if (words.includes('.')) {
    const tail = parseIpv4(words.slice(dot + 1));
    words = `${words.slice(0, dot + 1)}${tail.readUInt16BE(0).toString(16)}:${tail.readUInt16BE(2).toString(16)}`;
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
};

/** Bytes of an address in network order: 4 for IPv4, 16 for IPv6. Zone indexes (`fe80::1%eth0`) are refused. @throws DecodeError */
export const parseIp = (text: string): Buffer => {
  if (isIPv4(text)) return parseIpv4(text);
  if (isIPv6(text) && !text.includes('%')) return parseIpv6(text);
  throw new DecodeError(`not an IP address: ${JSON.stringify(text)}`);
};

/** AF_INET or AF_INET6, by the number of bytes. */
export const familyOf = (bytes: Uint8Array): number => (bytes.length === 4 ? AF_INET : AF_INET6);

/** Text of an address of 4 or 16 bytes, IPv6 in the form of RFC 5952. @throws DecodeError for any other length. */
export const formatIp = (bytes: Uint8Array): string => {
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
};

/** An address or network with the number of its leading bits. */
export interface IpPrefix {
  readonly bytes: Buffer;
  /** AF_INET (2) or AF_INET6 (10). */
  readonly family: number;
  /** 0–32 or 0–128. */
  readonly length: number;
}

/** Parses `10.0.0.1/31`; without a slash the prefix is the whole address (32 or 128 bits). @throws DecodeError */
export const parsePrefix = (text: string): IpPrefix => {
  const slash = text.indexOf('/');
  const bytes = parseIp(slash < 0 ? text : text.slice(0, slash));
  const bits = bytes.length * 8;
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = Number(digits);
  if (!/^\d{1,3}$/.test(digits) || length > bits)
    throw new DecodeError(`not an IP prefix: ${JSON.stringify(text)}`);
  return { bytes, family: familyOf(bytes), length };
};
