// Reads netlink attributes out of a message without copying it.

import { formatIp } from '../address/ip-prefix.js';
import { formatMac } from '../address/mac-address.js';
import { DecodeError } from '../decode-error.js';

// NLA_F_NESTED and NLA_F_NET_BYTEORDER share the type field (linux/netlink.h).
const TYPE_MASK = 0x3fff;

/** One attribute's value: `bytes[start, end)`. */
export interface AttributeValue {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The attributes of a message or of a nested attribute. The object looks into the receive buffer, which the next message
 * overwrites: take out what you need, keep no `Attributes`. Getters return undefined for what is absent and throw
 * {@link DecodeError} for what is too short.
 */
export class Attributes implements Iterable<AttributeValue> {
  readonly bytes: Buffer;
  readonly #values: AttributeValue[] = [];

  /** @throws DecodeError when an attribute does not fit. */
  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    if (start > end || end > bytes.length) throw new DecodeError('message too short for its header');
    let at = start;
    // Fewer than four bytes at the end are padding.
    while (end - at >= 4) {
      const length = bytes.readUInt16LE(at);
      if (length < 4 || at + length > end) throw new DecodeError(`attribute of ${length} bytes does not fit`);
      this.#values.push({
        type: bytes.readUInt16LE(at + 2) & TYPE_MASK,
        start: at + 4,
        end: at + length,
      });
      at += (length + 3) & ~3;
    }
  }

  [Symbol.iterator](): Iterator<AttributeValue> {
    return this.#values.values();
  }

  /** The last attribute of that type, as in the kernel's own parser. */
  find(type: number): AttributeValue | undefined {
    for (let index = this.#values.length - 1; index >= 0; index--) {
      const value = this.#values[index];
      if (value?.type === type) return value;
    }
    return undefined;
  }

  has(type: number): boolean {
    return this.find(type) !== undefined;
  }

  #at(type: number, size: number): number {
    const value = this.find(type);
    if (value === undefined) return -1;
    if (value.end - value.start < size)
      throw new DecodeError(`attribute ${type} has ${value.end - value.start} bytes, not ${size}`);
    return value.start;
  }

  u8(type: number): number | undefined {
    const at = this.#at(type, 1);
    return at < 0 ? undefined : this.bytes.readUInt8(at);
  }

  u16(type: number): number | undefined {
    const at = this.#at(type, 2);
    return at < 0 ? undefined : this.bytes.readUInt16LE(at);
  }

  be16(type: number): number | undefined {
    const at = this.#at(type, 2);
    return at < 0 ? undefined : this.bytes.readUInt16BE(at);
  }

  u32(type: number): number | undefined {
    const at = this.#at(type, 4);
    return at < 0 ? undefined : this.bytes.readUInt32LE(at);
  }

  s32(type: number): number | undefined {
    const at = this.#at(type, 4);
    return at < 0 ? undefined : this.bytes.readInt32LE(at);
  }

  be32(type: number): number | undefined {
    const at = this.#at(type, 4);
    return at < 0 ? undefined : this.bytes.readUInt32BE(at);
  }

  /** Exact up to 2^53 − 1, as counters are. */
  u64(type: number): number | undefined {
    const at = this.#at(type, 8);
    return at < 0 ? undefined : readU64(this.bytes, at);
  }

  /** Text up to the first NUL. */
  string(type: number): string | undefined {
    const value = this.find(type);
    return value === undefined ? undefined : textOf(this.bytes, value);
  }

  /** A copy of the value. */
  raw(type: number): Buffer | undefined {
    const value = this.find(type);
    return value === undefined ? undefined : Buffer.from(this.bytes.subarray(value.start, value.end));
  }

  /** An IPv4 or IPv6 address. */
  ip(type: number): string | undefined {
    const value = this.find(type);
    return value === undefined ? undefined : formatIp(this.bytes.subarray(value.start, value.end));
  }

  /** A hardware address; undefined also when the device has none. */
  mac(type: number): string | undefined {
    const value = this.find(type);
    if (value === undefined || value.start === value.end) return undefined;
    return formatMac(this.bytes.subarray(value.start, value.end));
  }

  /** The attributes within an attribute. */
  nested(type: number): Attributes | undefined {
    const value = this.find(type);
    return value === undefined ? undefined : this.inside(value);
  }

  /** The attributes within one met while iterating. */
  inside(value: AttributeValue): Attributes {
    return new Attributes(this.bytes, value.start, value.end);
  }
}

/** Text of an attribute up to the first NUL. */
export const textOf = (bytes: Buffer, value: AttributeValue): string => {
  const nul = bytes.indexOf(0, value.start);
  return bytes.toString('utf8', value.start, nul < 0 || nul > value.end ? value.end : nul);
};

/** A 64-bit counter as a number: exact up to 2^53 − 1. */
export const readU64 = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
