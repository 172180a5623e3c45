// Control messages of memif, byte by byte as other implementations lay them out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage, type MemifMessage, messageSize } from './memif-messages.js';

/** A message of zeros but for these bytes. */
const bytes = (places: Readonly<Record<number, string>>): Buffer => {
  const message = Buffer.alloc(messageSize);
  for (const [at, hex] of Object.entries(places)) message.write(hex, Number(at), 'hex');
  return message;
};

const cases: readonly (readonly [MemifMessage, Buffer])[] = [
  [{ kind: 'ack' }, bytes({ 0: '0100' })],
  [
    { kind: 'hello', rings: 1, log2RingSize: 10 },
    // Name, versions, highest region, highest rings each way, ring size.
    bytes({ 0: '0200', 2: '6e736d', 34: '00020002', 38: '0f00', 40: '00000000', 44: '0a' }),
  ],
  [
    { kind: 'init', id: 7, secret: 'hush' },
    bytes({ 0: '0300', 2: '0002', 4: '07000000', 8: '00', 9: '68757368', 33: '6e736d' }),
  ],
  [{ kind: 'addRegion', index: 1, size: 0x12345678 }, bytes({ 0: '0400', 2: '0100', 4: '7856341200000000' })],
  [
    { kind: 'addRing', toServer: true, index: 2, region: 1, offset: 0x1000, log2Size: 9 },
    bytes({ 0: '0500', 2: '0100', 4: '0200', 6: '0100', 8: '00100000', 12: '09' }),
  ],
  [{ kind: 'connect' }, bytes({ 0: '0600', 2: '6e736d' })],
  [{ kind: 'connected' }, bytes({ 0: '0700', 2: '6e736d' })],
  [{ kind: 'disconnect', reason: 'no' }, bytes({ 0: '0800', 6: '6e6f' })],
];

describe('memif messages', () => {
  it.each(cases)('%o', (message, expected) => {
    expect(encodeMessage(message).toString('hex')).toBe(expected.toString('hex'));
    expect(decodeMessage(expected)).toEqual(message);
  });

  it('refuses other versions, other modes, other sizes', () => {
    expect(() => decodeMessage(bytes({ 0: '0300', 2: '0001' }))).toThrow(/memif 2.0/);
    expect(() => decodeMessage(bytes({ 0: '0200', 34: '00010001' }))).toThrow(/memif 2.0/);
    expect(() => decodeMessage(bytes({ 0: '0300', 2: '0002', 8: '01' }))).toThrow(/Ethernet/);
    expect(() => decodeMessage(bytes({ 0: '0900' }))).toThrow(/type 9/);
    expect(() => decodeMessage(Buffer.alloc(12))).toThrow(/12 bytes/);
  });

  it('reads or refuses any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: messageSize, maxLength: messageSize }), (any) => {
        const message = Buffer.from(any);
        message.writeUInt16LE((message[0] ?? 0) % 10, 0);
        try {
          expect(decodeMessage(message).kind).toBeTypeOf('string');
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
