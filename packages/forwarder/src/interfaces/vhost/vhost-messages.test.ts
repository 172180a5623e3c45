// Messages of vhost-user, byte by byte as its specification lays them out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeHeader,
  decodeNumber,
  decodeRegions,
  decodeRingAddresses,
  decodeRingDescriptor,
  decodeRingNumber,
  encodeMessage,
  encodeNumber,
  encodeRegions,
  encodeRingAddresses,
  encodeRingNumber,
} from './vhost-messages.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('vhost-user messages', () => {
  it('have a header of request, flags and size', () => {
    expect(encodeMessage(1, Buffer.alloc(0))).toEqual(hex('01000000 01000000 00000000'));
    expect(encodeMessage(11, encodeRingNumber({ index: 1, value: 256 }), true)).toEqual(
      hex('0b000000 05000000 08000000 01000000 00010000'),
    );
    expect(decodeHeader(hex('05000000 09000000 28000000'))).toEqual({
      request: 'setMemTable',
      number: 5,
      reply: false,
      needReply: true,
      size: 40,
    });
    expect(decodeHeader(hex('63000000 01000000 00000000')).request).toBeUndefined();
  });

  it('say numbers, rings and their descriptors', () => {
    expect(encodeNumber(2n ** 32n)).toEqual(hex('0000000001000000'));
    expect(decodeNumber(hex('0000000001000000'))).toBe(2n ** 32n);
    expect(decodeRingNumber(hex('03000000 00010000'))).toEqual({ index: 3, value: 256 });
    expect(decodeRingDescriptor(hex('0301000000000000'))).toEqual({ index: 3, none: true });
    expect(decodeRingDescriptor(hex('0300000000000000'))).toEqual({ index: 3, none: false });
  });

  it('say where a ring is: index, flags, descriptors, used, available, log', () => {
    const addresses = { index: 1, descriptors: 0x1000, used: 0x2_0000_0000, available: 0x3000 };
    const bytes = hex(
      '01000000 00000000 0010000000000000 0000000002000000 0030000000000000 0000000000000000',
    );
    expect(encodeRingAddresses(addresses)).toEqual(bytes);
    expect(decodeRingAddresses(bytes)).toEqual(addresses);
  });

  it('say where memory is: count, and of each region guest address, size, user address, offset', () => {
    const region = { guest: 0x1000, size: 0x2000, user: 0x7f00_0000_0000, offset: 0x3000 };
    const bytes = hex(
      '01000000 00000000 0010000000000000 0020000000000000 00000000007f0000 0030000000000000',
    );
    expect(encodeRegions([region])).toEqual(bytes);
    expect(decodeRegions(bytes)).toEqual([region]);
  });

  it('refuses what cannot be', () => {
    expect(() => decodeHeader(hex('01000000 02000000 00000000'))).toThrow(/version 1/);
    expect(() => decodeHeader(hex('01000000 01000000 ffffffff'))).toThrow(/of 4294967295 bytes/);
    expect(() => decodeNumber(Buffer.alloc(7))).toThrow(/7 bytes where 8/);
    expect(() => decodeRegions(Buffer.alloc(8))).toThrow(/0 regions/);
    expect(() => decodeRegions(hex('0900000000000000'))).toThrow(/9 regions/);
    expect(() => decodeRegions(hex('0100000000000000'))).toThrow(/fewer regions/);
    expect(() => decodeRegions(Buffer.concat([hex('0100000000000000'), Buffer.alloc(32, 0xff)]))).toThrow(
      /where none can be/,
    );
  });

  it('never fails in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 12, maxLength: 300 }), (bytes) => {
        for (const decode of [decodeHeader, decodeRegions, decodeRingAddresses, decodeRingNumber])
          try {
            decode(Buffer.from(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            expect(error).not.toBeInstanceOf(RangeError);
          }
      }),
    );
  });
});
