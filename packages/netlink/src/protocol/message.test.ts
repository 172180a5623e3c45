// Attributes and messages: round trips, and bytes that are not what they should be.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../decode-error.js';
import { AttributeWriter } from './attribute-writer.js';
import { Attributes } from './attributes.js';
import { decodeAcknowledgement, type Message, MessageWriter, messagesIn } from './message.js';

const attribute = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('be16' as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant('be32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant('s32' as const), value: fc.integer() }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.maxSafeNat() }),
  fc.record({
    kind: fc.constant('string' as const),
    value: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
  }),
  fc.record({ kind: fc.constant('ip' as const), value: fc.ipV4() }),
);
type Attribute = typeof attribute extends fc.Arbitrary<infer T> ? T : never;

const write = (writer: AttributeWriter, type: number, { kind, value }: Attribute): void => {
  (writer[kind] as (type: number, value: unknown) => void).call(writer, type, value);
};

const onlyDecodeErrors = (fn: () => unknown): void => {
  try {
    fn();
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
  }
};

describe('attributes', () => {
  it('come back as they were written, nested or not', () => {
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 20 }), (list) => {
        const writer = new AttributeWriter(8);
        list.forEach((entry, index) => {
          write(writer, index + 1, entry);
        });
        writer.nest(100, () => {
          list.forEach((entry, index) => {
            write(writer, index + 1, entry);
          });
        });
        const top = new Attributes(writer.bytes, 0, writer.length);
        for (const attributes of [top, top.nested(100)])
          list.forEach(({ kind, value }, index) => {
            expect(attributes?.[kind](index + 1)).toBe(value);
          });
        expect(writer.length % 4).toBe(0);
      }),
    );
  });

  it('are zeroed when the buffer is used again', () => {
    const writer = new AttributeWriter();
    writer.raw(1, Buffer.alloc(32, 0xff));
    writer.length = 0;
    writer.u8(1, 1);
    expect([...writer.bytes.subarray(0, writer.length)]).toEqual([5, 0, 1, 0, 1, 0, 0, 0]);
  });

  it('refuse text that would be cut short, and more than fits', () => {
    const writer = new AttributeWriter();
    expect(() => writer.string(1, 'a\0b')).toThrow(DecodeError);
    expect(() => writer.raw(1, Buffer.alloc(65_536))).toThrow(DecodeError);
    expect(() =>
      writer.nest(1, () => {
        for (let i = 0; i < 3; i++) writer.raw(1, Buffer.alloc(30_000));
      }),
    ).toThrow(DecodeError);
  });

  it('say when they are too short for what is asked', () => {
    const writer = new AttributeWriter();
    writer.u16(1, 1);
    const attributes = new Attributes(writer.bytes, 0, writer.length);
    expect(() => attributes.u32(1)).toThrow(DecodeError);
    expect(() => attributes.ip(1)).toThrow(DecodeError);
    expect(attributes.u32(2)).toBeUndefined();
  });

  it('are read from any bytes without end or crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        onlyDecodeErrors(() => {
          const attributes = new Attributes(Buffer.from(bytes), 0, bytes.length);
          for (const value of attributes) {
            expect(value.end).toBeLessThanOrEqual(bytes.length);
            for (const read of ['u8', 'u16', 'u32', 'u64', 'string', 'mac', 'raw', 'ip', 'nested'] as const)
              onlyDecodeErrors(() => attributes[read](value.type));
          }
        });
      }),
    );
  });
});

describe('messages', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0xffff), fc.nat(0xffff), fc.uint8Array({ maxLength: 40 }))),
        (list) => {
          const writer = new MessageWriter(16);
          list.forEach(([type, flags, payload], sequence) => {
            const at = writer.start(type, flags, sequence);
            writer.raw(1, payload);
            writer.finish(at);
          });
          const read = [...messagesIn(writer.bytes, writer.length)];
          expect(read.map(({ type, flags, sequence }) => [type, flags, sequence])).toEqual(
            list.map(([type, flags], sequence) => [type, flags, sequence]),
          );
        },
      ),
    );
  });

  it('are refused wherever they are cut off', () => {
    const writer = new MessageWriter();
    const at = writer.start(16, 0, 1);
    writer.u32(1, 1);
    writer.finish(at);
    for (let length = 1; length < writer.length; length++)
      expect(() => [...messagesIn(writer.bytes, length)]).toThrow(DecodeError);
  });

  it('are read from any bytes without end or crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        onlyDecodeErrors(() => {
          for (const message of messagesIn(Buffer.from(bytes), bytes.length))
            onlyDecodeErrors(() => decodeAcknowledgement(message));
        });
      }),
    );
  });
});

describe('acknowledgements', () => {
  const answer = (flags: number, write: (writer: MessageWriter) => void): Message => {
    const writer = new MessageWriter();
    const at = writer.start(2, flags, 1);
    write(writer);
    writer.finish(at);
    const [message] = messagesIn(writer.bytes, writer.length);
    return message!;
  };

  it('carry the kernel’s own words, capped or not', () => {
    for (const [flags, echoed] of [
      [0x300, 0],
      [0x200, 24],
    ] as const) {
      const message = answer(flags, (writer) => {
        const at = writer.reserve(4 + 16 + echoed);
        writer.bytes.writeInt32LE(-17, at);
        writer.bytes.writeUInt32LE(16 + echoed, at + 4);
        writer.string(1, 'taken');
        writer.u32(2, 36);
      });
      expect(decodeAcknowledgement(message)).toEqual({
        errno: 17,
        text: 'taken',
        offset: 36,
        missing: undefined,
      });
    }
  });

  it('are refused when they end too early', () => {
    expect(() => decodeAcknowledgement(answer(0, () => {}))).toThrow(DecodeError);
    expect(() => decodeAcknowledgement(answer(0x200, (writer) => writer.reserve(8)))).toThrow(DecodeError);
  });
});
