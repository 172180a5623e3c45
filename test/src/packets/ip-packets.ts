// IP packets made by hand: every length, every cut, and contents that tell one from another.
import { IpPrefix } from '@nsm/netlink';

/** For experiments (RFC 3692): no kernel answers it. */
export const experiment = 253;
export const udp = 17;
export const tcp = 6;
const fragmentHeader = 44;

/** Bytes of an IP header without options. */
export const headerSize = { 4: 20, 6: 40 } as const;

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

/** An IPv4 or IPv6 packet, as its addresses have it. */
export const ipPacket = ({ from, to, protocol, payload, id = 0, fragment = 0x4000 }: PacketSpec): Buffer => {
  if (from.includes(':')) {
    const header = Buffer.alloc(headerSize[6]);
    header.writeUInt8(0x60, 0);
    header.writeUInt16BE(payload.length, 4);
    header.writeUInt8(protocol, 6);
    header.writeUInt8(64, 7);
    header.set(IpPrefix.ofAddress(from).bytes, 8);
    header.set(IpPrefix.ofAddress(to).bytes, 24);
    return Buffer.concat([header, payload]);
  }
  const header = Buffer.alloc(headerSize[4]);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(fragment, 6);
  header.writeUInt8(64, 8);
  header.writeUInt8(protocol, 9);
  header.set(IpPrefix.ofAddress(from).bytes, 12);
  header.set(IpPrefix.ofAddress(to).bytes, 16);
  header.writeUInt16BE(~sumOf(header) & 0xffff, 10);
  return Buffer.concat([header, payload]);
};

/** A packet in two, of which the first has `cut` bytes of payload, a multiple of 8. */
export const fragments = ({ payload, ...spec }: PacketSpec, cut: number): [first: Buffer, second: Buffer] => {
  const parts = [payload.subarray(0, cut), payload.subarray(cut)] as const;
  const { id = 0, protocol } = spec;
  const part = (index: 0 | 1): Buffer => {
    const offset = index * cut;
    const more = index === 0;
    if (!spec.from.includes(':'))
      return ipPacket({ ...spec, payload: parts[index], fragment: (offset >> 3) | (more ? 0x2000 : 0) });
    const header = Buffer.alloc(8);
    header.writeUInt8(protocol, 0);
    header.writeUInt16BE(offset | (more ? 1 : 0), 2);
    header.writeUInt32BE(id, 4);
    return ipPacket({ ...spec, protocol: fragmentHeader, payload: Buffer.concat([header, parts[index]]) });
  };
  return [part(0), part(1)];
};

/** What a checksum also covers (RFC 768, RFC 8200 section 8.1), summed. */
export const pseudoSum = (from: string, to: string, protocol: number, length: number): number => {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(length, 0);
  tail.writeUInt32BE(protocol, 4);
  return sumOf(Buffer.concat([IpPrefix.ofAddress(from).bytes, IpPrefix.ofAddress(to).bytes, tail]));
};

/** How a checksum is filled in: as it should be; not; wrong; or its sum so far, for an adapter to go on from. */
export type Checksum = 'right' | 'none' | 'wrong' | 'begun';

export interface DatagramSpec {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly data: Uint8Array;
  readonly checksum?: Checksum;
}

/** A UDP header and what follows. */
export const datagram = ({ from, to, port, data, checksum = 'right' }: DatagramSpec): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(port, 0);
  header.writeUInt16BE(port, 2);
  header.writeUInt16BE(header.length + data.length, 4);
  return withChecksum(
    Buffer.concat([header, data]),
    checksumAt.udp,
    pseudoSum(from, to, udp, 8 + data.length),
    checksum,
  );
};

/** A TCP segment of nobody's connection. */
export const tcpSegment = ({ from, to, port, data, checksum = 'right' }: DatagramSpec): Buffer => {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(port, 0);
  header.writeUInt16BE(port, 2);
  // Twenty bytes of header; ACK. Nobody answers to RST.
  header.writeUInt16BE(0x5004, 12);
  return withChecksum(
    Buffer.concat([header, data]),
    16,
    pseudoSum(from, to, tcp, 20 + data.length),
    checksum,
  );
};

/** Where a checksum stands within a header. */
export const checksumAt = { udp: 6, tcp: 16 } as const;

const withChecksum = (bytes: Buffer, at: number, pseudo: number, checksum: Checksum): Buffer => {
  if (checksum === 'none') return bytes;
  bytes.writeUInt16BE(pseudo, at);
  if (checksum === 'begun') return bytes;
  const sum = ~sumOf(bytes) & 0xffff;
  // Zero would mean: none.
  bytes.writeUInt16BE((checksum === 'wrong' ? sum ^ 0x5a5a : sum) || 0xffff, at);
  return bytes;
};

/** The one's complement sum of RFC 1071, folded. */
export const sumOf = (bytes: Uint8Array): number => {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
};

/** Bytes that belong to a number: another number has others, at whatever place. None is zero, as padding is. */
export const contentOf = (number: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(length);
  let state = (number + 1) * 0x9e3779b1;
  for (let at = 0; at < length; at++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    bytes[at] = (state ^ at) & 0xff || 1;
  }
  return bytes;
};

/** An IPv4 packet in its frame, with the checksum of its header put right. */
export const fixedChecksum = (frame: Buffer): Buffer => {
  const header = frame.subarray(14, 14 + (frame.readUInt8(14) & 15) * 4);
  header.writeUInt16BE(0, 10);
  header.writeUInt16BE(~sumOf(header) & 0xffff, 10);
  return frame;
};
