// The protobuf wire format by hand, so that the tests owe nothing to generated code: protobuf.dev/programming-guides/encoding.

/** One field as it is written: strings, bytes and embedded messages by length, numbers and booleans as varints. */
export type Field = readonly [number: number, value: string | number | boolean | Uint8Array];

/** Fields of a message that was read: each number with its values in the order they came. */
export type Fields = ReadonlyMap<number, readonly (number | Uint8Array)[]>;

const VARINT = 0;
const LENGTH_DELIMITED = 2;
/** Bytes of fixed-width values, by their type. */
const fixed: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** Writes a message field by field; a number given several times is a repeated field. */
export const message = (...fields: readonly Field[]): Uint8Array => {
  const bytes: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number' || typeof value === 'boolean') {
      bytes.push(...varint(BigInt((number << 3) | VARINT)), ...varint(BigInt(value)));
      continue;
    }
    const content = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    bytes.push(...varint(BigInt((number << 3) | LENGTH_DELIMITED)), ...varint(BigInt(content.length)));
    for (const byte of content) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
};

/** Reads a message. @throws Error for bytes that are none, or that use groups. Fixed-width values are bytes. */
export const fieldsOf = (bytes: Uint8Array): Fields => {
  const fields = new Map<number, (number | Uint8Array)[]>();
  let at = 0;
  const next = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`the message ends inside a varint at byte ${at}`);
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const tag = next();
    const values = fields.get(tag >> 3) ?? [];
    fields.set(tag >> 3, values);
    if ((tag & 7) === VARINT) values.push(next());
    else if ((tag & 7) === LENGTH_DELIMITED || (tag & 7) in fixed) {
      const length = fixed[tag & 7] ?? next();
      if (at + length > bytes.length) throw new Error(`field ${tag >> 3} is longer than the message`);
      values.push(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error(`field ${tag >> 3} has wire type ${tag & 7}`);
  }
  return fields;
};

/** Every value of a repeated string. */
export const textsIn = (fields: Fields, number: number): string[] =>
  (fields.get(number) ?? []).map((value) => new TextDecoder().decode(bytesFrom(value)));

/** A string; empty when absent, as proto3 has it. */
export const textIn = (fields: Fields, number: number): string => textsIn(fields, number).at(-1) ?? '';

/** A number or enum; 0 when absent. */
export const numberIn = (fields: Fields, number: number): number => {
  const value = fields.get(number)?.at(-1) ?? 0;
  if (typeof value !== 'number') throw new Error(`field ${number} is no varint`);
  return value;
};

/** Every embedded message of a repeated field. */
export const messagesIn = (fields: Fields, number: number): Fields[] =>
  (fields.get(number) ?? []).map((value) => fieldsOf(bytesFrom(value)));

/** An embedded message; undefined when absent. */
export const messageIn = (fields: Fields, number: number): Fields | undefined =>
  messagesIn(fields, number).at(-1);

const bytesFrom = (value: number | Uint8Array): Uint8Array => {
  if (typeof value === 'number') throw new Error('a varint where bytes were expected');
  return value;
};

const varint = (value: bigint): number[] => {
  const bytes: number[] = [];
  // Negative enums and integers travel as ten bytes of two's complement.
  let rest = BigInt.asUintN(64, value);
  do {
    const more = rest > 0x7fn;
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
};
