// Frames of HTTP/2 (RFC 9113) and of gRPC inside, as a caller makes them who obeys no library.

export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** RFC 9113, section 6. */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  window: 8,
  continuation: 9,
} as const;
/** Flags. */
export const endStream = 1;
export const ack = 1;
export const endHeaders = 4;

export function frame(
  kind: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(kind, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A literal header without indexing (RFC 7541, 6.2.2), up to 16 KiB. */
export function literal(name: string, value: string): Buffer {
  const word = (text: string): Buffer => {
    const { length } = text;
    if (length < 127) return Buffer.concat([Buffer.from([length]), Buffer.from(text)]);
    const bytes = [127];
    let left = length - 127;
    for (; left >= 128; left >>= 7) bytes.push((left & 127) | 128);
    return Buffer.concat([Buffer.from([...bytes, left]), Buffer.from(text)]);
  };
  return Buffer.concat([Buffer.from([0]), word(name), word(value)]);
}

export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  };
  return Buffer.concat(Object.entries(fields).map(([name, value]) => literal(name, value)));
}

/** A message of gRPC, or the beginning of one. */
export function message(length: number, content: Buffer, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, content]);
}
