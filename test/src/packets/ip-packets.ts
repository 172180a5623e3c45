// IP packets made by hand: every length, and contents that tell one from another.
import { parseIp } from '@nsm/netlink';

/** For experiments (RFC 3692): no kernel answers it. */
export const experiment = 253;

export interface PacketSpec {
  readonly from: string;
  readonly to: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
  /** Identification of an IPv4 packet. Default 0. */
  readonly id?: number;
  /** The IPv4 word of flags and offset. Default: do not fragment. */
  readonly fragment?: number;
}

/** Bytes of an IP header without options. */
export const headerSize = { 4: 20, 6: 40 } as const;

/** An IPv4 or IPv6 packet, as its addresses have it. */
export const ipPacket = ({ from, to, protocol, payload, id = 0, fragment = 0x4000 }: PacketSpec): Buffer => {
  if (from.includes(':')) {
    const header = Buffer.alloc(headerSize[6]);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(payload.length, 4);
    header.writeUInt8(protocol, 6);
    header.writeUInt8(64, 7);
    header.set(parseIp(from), 8);
    header.set(parseIp(to), 24);
    return Buffer.concat([header, payload]);
  }
  const header = Buffer.alloc(headerSize[4]);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  header.set(parseIp(from), 12);
  header.set(parseIp(to), 16);
  header.writeUInt16BE(~sumOf(header) & 0xffff, 10);
  return Buffer.concat([header, payload]);
};

/** The one's complement sum of RFC 1071, folded. */
export const sumOf = (bytes: Uint8Array): number => {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
};

/** Bytes that belong to a number: another number has others, at whatever place. */
export const contentOf = (number: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(length);
  let state = (number + 1) * 0x9e3779b1;
  for (let at = 0; at < length; at++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    bytes[at] = (state ^ at) & 0xff;
  }
  return bytes;
};
