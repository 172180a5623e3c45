// How a caller hears why its connection is refused after the handshake: by a GOAWAY of HTTP/2 (RFC 9113, section 6.8) instead of
// the first words of gRPC. Every gRPC client can read it, and it costs no round trip.

const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const frameHeader = 9;
const goAway = 7;
/** INADEQUATE_SECURITY, section 7. */
const inadequateSecurity = 0xc;
/** Bytes. */
const longest = 1000;

/** What a server sends before it closes. */
export function refusalFrames(reason: string): Buffer {
  const words = Buffer.from(reason.slice(0, longest / 2));
  const frame = Buffer.alloc(frameHeader + 8);
  frame.writeUIntBE(8 + words.length, 0, 3);
  frame[3] = goAway;
  frame.writeUInt32BE(inadequateSecurity, frameHeader + 4);
  return Buffer.concat([settings, frame, words]);
}

/** The reason, where the first bytes from a server are a refusal. */
export function refusalIn(bytes: Buffer): string | undefined {
  for (let at = 0; at + frameHeader + 8 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const body = at + frameHeader;
    if (bytes[at + 3] === goAway && length >= 8 && bytes.readUInt32BE(body + 4) === inadequateSecurity)
      return bytes.toString('utf8', body + 8, Math.min(body + length, body + 8 + longest));
    at = body + length;
  }
  return undefined;
}
