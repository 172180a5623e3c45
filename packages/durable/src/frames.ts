// How changes lie in a file: each has a checksum, and is found again behind damage.
import { crc32 } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { state } from '@nsm/api';

/** Magic number, length of the body and its CRC-32, 4 bytes each in little endian; the body is a `nsmstate.Change`. */
const headerBytes = 12;
const magic = Buffer.from('NSM2');

export interface Frame {
  readonly change: state.Change;
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export function frameOf(schema: number, key: string, value: Uint8Array | undefined): Buffer {
  const change = create(state.ChangeSchema, value ? { schema, key, value } : { schema, key });
  const body = toBinary(state.ChangeSchema, change);
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  magic.copy(frame);
  frame.writeUInt32LE(body.length, 4);
  frame.writeUInt32LE(crc32(body), 8);
  frame.set(body, headerBytes);
  return frame;
}

/** What the frame that ends a record has at most, bytes: tags, schema and lengths take less than 10. */
export function endBytes(key: string): number {
  return headerBytes + 10 + Buffer.byteLength(key);
}

/**
 * Every change that is whole, in the order they were written.
 * `end`: where the last one ends. `damaged`: bytes that belong to none, but for zeros behind the last one. `torn`: there is
 * more than zeros behind it.
 */
export function framesIn(bytes: Buffer): {
  readonly frames: readonly Frame[];
  readonly end: number;
  readonly damaged: number;
  readonly torn: boolean;
} {
  const frames: Frame[] = [];
  let [end, damaged] = [0, 0];
  for (let offset = 0; offset >= 0; ) {
    const frame = frameAt(bytes, offset);
    if (frame) {
      damaged += offset - end;
      frames.push(frame);
      offset = end = offset + frame.size;
    } else offset = bytes.indexOf(magic, offset + 1);
  }
  const rest = bytes.subarray(end);
  const torn = !rest.equals(Buffer.alloc(rest.length));
  return { frames, end, damaged: damaged + (torn ? rest.length : 0), torn };
}

function frameAt(bytes: Buffer, offset: number): Frame | undefined {
  if (bytes.length - offset < headerBytes || magic.compare(bytes, offset, offset + magic.length) !== 0)
    return undefined;
  const length = bytes.readUInt32LE(offset + 4);
  const body = bytes.subarray(offset + headerBytes, offset + headerBytes + length);
  if (body.length < length || crc32(body) !== bytes.readUInt32LE(offset + 8)) return undefined;
  return { change: fromBinary(state.ChangeSchema, body), offset, size: headerBytes + length };
}
