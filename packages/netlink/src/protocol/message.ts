// Netlink messages: header, iteration over a datagram, acknowledgements with the kernel's extended text (linux/netlink.h).

import { DecodeError } from '../decode-error.js';
import { AttributeWriter } from './attribute-writer.js';
import { Attributes } from './attributes.js';

export const HEADER_SIZE = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFS = 2;
const NLMSGERR_ATTR_MISS_TYPE = 5;

/** Writes messages one after the other into one buffer. */
export class MessageWriter extends AttributeWriter {
  /** Opens a message; returns its position for {@link finish}. */
  start(type: number, flags: number, sequence: number): number {
    const at = this.reserve(HEADER_SIZE);
    this.bytes.writeUInt16LE(type, at + 4);
    this.bytes.writeUInt16LE(flags, at + 6);
    this.bytes.writeUInt32LE(sequence, at + 8);
    return at;
  }

  /** Closes the message opened at `at`. */
  finish(at: number): void {
    this.bytes.writeUInt32LE(this.length - at, at);
  }
}

/** One message within a datagram: `bytes[start, end)` is what follows its header. Valid until the next receive. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The messages in the first `length` bytes. @throws DecodeError when one does not fit. */
export function* messagesIn(bytes: Buffer, length: number): Generator<Message, void, undefined> {
  if (length > bytes.length) throw new DecodeError(`a datagram of ${length} bytes in ${bytes.length}`);
  let at = 0;
  while (length - at >= HEADER_SIZE) {
    const size = bytes.readUInt32LE(at);
    if (size < HEADER_SIZE || at + size > length)
      throw new DecodeError(`message of ${size} bytes does not fit`);
    yield {
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      bytes,
      start: at + HEADER_SIZE,
      end: at + size,
    };
    at += (size + 3) & ~3;
  }
  if (at < length) throw new DecodeError(`${length - at} bytes after the last message`);
}

/** The attributes that follow a fixed header of `headerSize` bytes. @throws DecodeError */
export const attributesOf = (message: Message, headerSize: number): Attributes =>
  new Attributes(message.bytes, message.start + ((headerSize + 3) & ~3), message.end);

/** What the kernel answered to a request. */
export interface Acknowledgement {
  /** 0 for success, else a positive error number. */
  readonly errno: number;
  /** The kernel's own words, from an error or as a warning on success. */
  readonly text: string | undefined;
  /** Byte offset in the request of the attribute at fault. */
  readonly offset: number | undefined;
  /** Type of an attribute that the request lacks. */
  readonly missing: number | undefined;
}

/** Decodes NLMSG_ERROR, or NLMSG_DONE at the end of a dump, which may carry an error too. @throws DecodeError */
export const decodeAcknowledgement = (message: Message): Acknowledgement => {
  const { bytes, start, end, flags } = message;
  if (end - start < 4) {
    // Some dumps end in a bare header.
    if (message.type === NLMSG_DONE)
      return { errno: 0, text: undefined, offset: undefined, missing: undefined };
    throw new DecodeError('acknowledgement too short');
  }
  const errno = -bytes.readInt32LE(start);
  let text: string | undefined;
  let offset: number | undefined;
  let missing: number | undefined;
  if ((flags & NLM_F_ACK_TLVS) !== 0) {
    let at = start + 4;
    if (message.type === NLMSG_ERROR) {
      if (end - at < HEADER_SIZE) throw new DecodeError('acknowledgement without the header it answers');
      // Unless capped, the whole request comes back before the attributes.
      const answered = (flags & NLM_F_CAPPED) !== 0 ? HEADER_SIZE : bytes.readUInt32LE(at);
      at += (answered + 3) & ~3;
    }
    const attributes = new Attributes(bytes, at, end);
    text = attributes.string(NLMSGERR_ATTR_MSG);
    offset = attributes.u32(NLMSGERR_ATTR_OFFS);
    missing = attributes.u32(NLMSGERR_ATTR_MISS_TYPE);
  }
  return { errno, text, offset, missing };
};
