// The error for bytes that are not what they should be: truncated messages, wrong lengths, text that is no address.

/** Bytes or text that cannot be decoded or encoded. Never says that the kernel refused something: that is `NetlinkError`. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}
