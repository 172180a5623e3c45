// How records lie in a journal: each can be told from damage around it, and be marked as removed where it lies.
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';

/**
 * Magic number, mark, length of the body and its checksum, 4 bytes each in little endian, then the body. The mark alone is
 * written again later.
 */
const headerLength = 16;
const magic = Buffer.from('NSM1');
export const markOffset = 4;
const live = 0x4556_494c;
/** What a record that is removed has in the place of its mark. */
export const removedMark: Buffer = Buffer.alloc(4);

export interface Frame {
  readonly key: string;
  readonly value: unknown;
  readonly removed: boolean;
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

export function frameOf(key: string, value: unknown): Buffer {
  const body = serialize([key, value]);
  const frame = Buffer.allocUnsafe(headerLength + body.length);
  magic.copy(frame);
  frame.writeUInt32LE(live, markOffset);
  frame.writeUInt32LE(body.length, 8);
  frame.writeUInt32LE(crc32(body, body.length), 12);
  body.copy(frame, headerLength);
  return frame;
}

/** Every record that is whole, in the order they were written, and how many bytes belong to none. */
export function framesIn(bytes: Buffer): { readonly frames: readonly Frame[]; readonly damaged: number } {
  const frames: Frame[] = [];
  let damaged = 0;
  for (let offset = 0; offset < bytes.length; ) {
    const frame = frameAt(bytes, offset);
    if (frame) {
      frames.push(frame);
      offset += frame.size;
    } else {
      const next = bytes.indexOf(magic, offset + 1);
      const end = next < 0 ? bytes.length : next;
      damaged += end - offset;
      offset = end;
    }
  }
  return { frames, damaged };
}

function frameAt(bytes: Buffer, offset: number): Frame | undefined {
  if (bytes.length - offset < headerLength || bytes.indexOf(magic, offset) !== offset) return undefined;
  const mark = bytes.readUInt32LE(offset + markOffset);
  const length = bytes.readUInt32LE(offset + 8);
  const body = bytes.subarray(offset + headerLength, offset + headerLength + length);
  if (body.length < length || crc32(body, length) !== bytes.readUInt32LE(offset + 12)) return undefined;
  const removed = mark === removedMark.readUInt32LE();
  if (!removed && mark !== live) return undefined;
  const [key, value] = deserialize(body) as [string, unknown];
  return { key, value, removed, offset, size: headerLength + length };
}
