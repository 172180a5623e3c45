// DER, the encoding of certificates (ITU-T X.690): as much as certificates and requests for them need.

/** Tags: universal ones, and those that a certificate gives a number of its own. */
export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  generalizedTime: 0x18,
  /** Holds another value. */
  explicit: (number: number): number => 0xa0 | number,
  /** Stands for the tag that the value would have. */
  implicit: (number: number): number => 0x80 | number,
} as const;

export function der(ofTag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([ofTag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.from(
    length.toString(16).padStart(length > 0xffff ? 6 : length > 0xff ? 4 : 2, '0'),
    'hex',
  );
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(tag.sequence, ...parts);
}

/** @param positive big-endian. */
export function integer(positive: Uint8Array): Buffer {
  return der(tag.integer, (positive[0] ?? 0) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), positive);
}

/** Of whole bytes. */
export function bitString(bytes: Uint8Array): Buffer {
  return der(tag.bitString, Buffer.from([0]), bytes);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) septets.unshift(0x80 | (left & 0x7f));
    return septets;
  });
  return der(tag.oid, Buffer.from(bytes));
}

/** UTC, whole seconds. */
export function generalizedTime(date: Date): Buffer {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(tag.generalizedTime, Buffer.from(text));
}

/** A value among bytes, with its tag. */
export interface DerValue {
  readonly tag: number;
  /** From its tag to its end. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** The values that lie one behind the other. @throws RangeError of bytes that are none, or more than `most` values. */
export function readDer(bytes: Uint8Array, most = 64): DerValue[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: DerValue[] = [];
  for (let at = 0; at < buffer.length; ) {
    if (values.length === most) throw new RangeError(`more than ${most} values`);
    const first = buffer.readUInt8(at + 1);
    const long = first & 0x80 ? first & 0x7f : 0;
    if (long > 4 || first === 0x80) throw new RangeError('a length that DER does not have');
    const length = long === 0 ? first : buffer.readUIntBE(at + 2, long);
    const begin = at + 2 + long;
    if (begin + length > buffer.length) throw new RangeError('a value that is cut off');
    values.push({
      tag: buffer.readUInt8(at),
      whole: buffer.subarray(at, begin + length),
      content: buffer.subarray(begin, begin + length),
    });
    at = begin + length;
  }
  return values;
}
