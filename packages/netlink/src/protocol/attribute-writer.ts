// Writes netlink attributes: type, length, value, padded to four bytes, nested at will (RFC 3549 §2.2; linux/netlink.h).

import { IpPrefix } from '../address/ip-prefix.js';
import { parseMac } from '../address/mac-address.js';
import { DecodeError } from '../decode-error.js';

export const NLA_F_NESTED = 0x8000;
const MAXIMUM_LENGTH = 0xffff;

/** Grows as needed and is reused from message to message. Little-endian machines only. */
export class AttributeWriter {
  /** What has been written: the first {@link length} bytes. Replaced when it grows. */
  bytes: Buffer;
  length = 0;

  constructor(size = 1024) {
    this.bytes = Buffer.alloc(size);
  }

  /** Makes room for `size` zeroed bytes and returns where they begin. */
  reserve(size: number): number {
    const start = this.length;
    const end = start + size;
    if (end > this.bytes.length) {
      const larger = Buffer.alloc(Math.max(end, this.bytes.length * 2));
      this.bytes.copy(larger, 0, 0, start);
      this.bytes = larger;
    }
    this.bytes.fill(0, start, end);
    this.length = end;
    return start;
  }

  /** Writes the header of an attribute of `size` bytes and returns where its value goes. */
  attribute(type: number, size: number): number {
    if (size + 4 > MAXIMUM_LENGTH) throw new DecodeError(`attribute ${type} of ${size} bytes is too long`);
    const start = this.reserve(4 + ((size + 3) & ~3));
    this.bytes.writeUInt16LE(size + 4, start);
    this.bytes.writeUInt16LE(type, start + 2);
    return start + 4;
  }

  /** An attribute whose presence is its value. */
  flag(type: number): void {
    this.attribute(type, 0);
  }

  u8(type: number, value: number): void {
    const at = this.attribute(type, 1);
    this.bytes.writeUInt8(value, at);
  }

  u16(type: number, value: number): void {
    const at = this.attribute(type, 2);
    this.bytes.writeUInt16LE(value, at);
  }

  /** 16 bits in network order: ports, EtherTypes. */
  be16(type: number, value: number): void {
    const at = this.attribute(type, 2);
    this.bytes.writeUInt16BE(value, at);
  }

  u32(type: number, value: number): void {
    const at = this.attribute(type, 4);
    this.bytes.writeUInt32LE(value, at);
  }

  s32(type: number, value: number): void {
    const at = this.attribute(type, 4);
    this.bytes.writeInt32LE(value, at);
  }

  be32(type: number, value: number): void {
    const at = this.attribute(type, 4);
    this.bytes.writeUInt32BE(value, at);
  }

  u64(type: number, value: number | bigint): void {
    const at = this.attribute(type, 8);
    this.bytes.writeBigUInt64LE(BigInt(value), at);
  }

  /** NUL-terminated text. @throws DecodeError when it contains a NUL, which would cut it short. */
  string(type: number, text: string): void {
    if (text.includes('\0')) throw new DecodeError('text with a NUL character');
    const size = Buffer.byteLength(text) + 1;
    const at = this.attribute(type, size);
    this.bytes.write(text, at);
  }

  raw(type: number, value: Uint8Array): void {
    const at = this.attribute(type, value.length);
    this.bytes.set(value, at);
  }

  /** An IPv4 or IPv6 address in network order. @throws DecodeError */
  ip(type: number, address: string): void {
    this.raw(type, IpPrefix.ofAddress(address).bytes);
  }

  /** A hardware address. @throws DecodeError */
  mac(type: number, address: string): void {
    this.raw(type, parseMac(address));
  }

  /** Attributes within an attribute. `flagged` sets NLA_F_NESTED, which newer families demand and older ones ignore. */
  nest(type: number, content: () => void, flagged = true): void {
    const start = this.begin(flagged ? type | NLA_F_NESTED : type);
    content();
    this.end(start);
  }

  /** Opens an attribute whose length is not yet known; {@link end} closes it. */
  begin(type: number): number {
    return this.attribute(type, 0) - 4;
  }

  /** Closes what {@link begin} opened. */
  end(start: number): void {
    const size = this.length - start;
    if (size > MAXIMUM_LENGTH) throw new DecodeError(`nested attribute of ${size} bytes is too long`);
    this.bytes.writeUInt16LE(size, start);
  }
}
