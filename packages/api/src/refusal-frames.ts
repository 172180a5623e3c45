// How a caller hears why its connection is refused, in frames of HTTP/2 (RFC 9113, section 6) that are written without a session.
import type { NsmError } from './errors.js';

const frameHeader = 9;
const frameTypes = { headers: 1, settings: 4, goAway: 7 } as const;
const flags = { ack: 1, endStream: 1, endHeaders: 4 } as const;
/** Section 7. */
const errorCodes = { none: 0, inadequateSecurity: 0xc } as const;
/** Section 3.4. */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** Bytes of a reason. */
const longest = 1000;

/** What a server says first. */
export const greeting: Buffer = frame(frameTypes.settings, 0, 0);

/** What a server sends before it closes a connection that it does not trust: every gRPC client can read it, at no round trip. */
export function refusalFrames(reason: string): Buffer {
  return Buffer.concat([greeting, goAway(0, errorCodes.inadequateSecurity, reason.slice(0, longest / 2))]);
}

/** The reason, where the first bytes from a server are a refusal. */
export function refusalIn(bytes: Buffer): string | undefined {
  for (let at = 0; at + frameHeader + 8 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const body = at + frameHeader;
    if (
      bytes[at + 3] === frameTypes.goAway &&
      length >= 8 &&
      bytes.readUInt32BE(body + 4) === errorCodes.inadequateSecurity
    )
      return bytes.toString('utf8', body + 8, Math.min(body + length, body + 8 + longest));
    at = body + length;
  }
  return undefined;
}

/** The stream of a client's first call, once its headers have begun. */
export function openedStream(bytes: Buffer): number | undefined {
  for (let at = preface.length; at + frameHeader <= bytes.length; ) {
    if (bytes[at + 3] === frameTypes.headers) return bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    at += frameHeader + bytes.readUIntBE(at, 3);
  }
  return undefined;
}

/** Ends a call by the status of an error ("Trailers-Only" of gRPC over HTTP/2), and says that the server takes no other. */
export function callRefusal(stream: number, error: NsmError): Buffer {
  const headers = Buffer.concat([
    // `:status: 200`, number 8 of the static table (RFC 7541, appendix A).
    Buffer.from([0x88]),
    header('content-type', 'application/grpc'),
    header('grpc-status', String(error.grpcStatus)),
    header('grpc-message', encodeURI(error.toAdmissionError().slice(0, 2 * longest))),
  ]);
  return Buffer.concat([
    frame(frameTypes.settings, flags.ack, 0),
    frame(frameTypes.headers, flags.endStream | flags.endHeaders, stream, headers),
    goAway(stream, errorCodes.none, ''),
  ]);
}

function goAway(lastStream: number, code: number, reason: string): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt32BE(lastStream, 0);
  body.writeUInt32BE(code, 4);
  return frame(frameTypes.goAway, 0, 0, Buffer.concat([body, Buffer.from(reason)]));
}

function frame(type: number, flag: number, stream: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(frameHeader);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A field that is spelled out and not remembered (RFC 7541, section 6.2.2). */
function header(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** An integer with a prefix of 7 bits (RFC 7541, section 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
