// A tunnel's packet as others would have it: sent by another host, and made so that a check might look past that.
import { fixedChecksum } from '../packets/ip-packets.js';

const linkHeader = 14;
const isIPv4 = (frame: Buffer): boolean => frame.readUInt16BE(12) === 0x0800;
const isIPv6 = (frame: Buffer): boolean => frame.readUInt16BE(12) === 0x86dd;

/** From an address of the same network that is nobody's; without IP, from another MAC address. */
const fromAnother = (frame: Buffer): Buffer => {
  const copy = Buffer.from(frame);
  const at = isIPv4(frame) ? 29 : isIPv6(frame) ? 37 : 11;
  copy[at] = (copy[at] ?? 0) ^ 0x40;
  return isIPv4(copy) ? fixedChecksum(copy) : copy;
};

/** IEEE 802.1Q, VLAN 0: a priority, and no VLAN. */
const tagged = (frame: Buffer): Buffer =>
  Buffer.concat([frame.subarray(0, 12), Buffer.from('81000000', 'hex'), frame.subarray(12)]);

/** With IPv4 an option that does nothing, with IPv6 so many headers of options. */
const withOptions = (frame: Buffer, count: number): Buffer => {
  if (isIPv4(frame)) {
    const copy = Buffer.concat([frame.subarray(0, 34), Buffer.from('01010101', 'hex'), frame.subarray(34)]);
    copy.writeUInt8(0x46, linkHeader);
    copy.writeUInt16BE(frame.readUInt16BE(16) + 4, 16);
    return fixedChecksum(copy);
  }
  const protocol = frame.readUInt8(20);
  const headers = Array.from({ length: count }, (_, n) =>
    Buffer.from([n === count - 1 ? protocol : 60, 0, 1, 4, 0, 0, 0, 0]),
  );
  const copy = Buffer.concat([frame.subarray(0, 54), ...headers, frame.subarray(54)]);
  copy.writeUInt8(60, 20);
  copy.writeUInt16BE(frame.readUInt16BE(18) + 8 * count, 18);
  return copy;
};

/** In two pieces, of which the first has so many bytes, a multiple of 8. */
const inPieces = (frame: Buffer, first: number, id: number): Buffer[] => {
  const header = isIPv4(frame) ? 20 : 40;
  const start = linkHeader + header;
  return [
    [0, first],
    [first, frame.length - start],
  ].map(([from = 0, to = 0]) => {
    const data = frame.subarray(start + from, start + to);
    const more = from === 0;
    if (isIPv4(frame)) {
      const piece = Buffer.concat([frame.subarray(0, start), data]);
      piece.writeUInt16BE(header + data.length, 16);
      piece.writeUInt16BE(id, 18);
      piece.writeUInt16BE((from >> 3) | (more ? 0x2000 : 0), 20);
      return fixedChecksum(piece);
    }
    const fragment = Buffer.alloc(8);
    fragment.writeUInt8(frame.readUInt8(20), 0);
    fragment.writeUInt16BE(from | (more ? 1 : 0), 2);
    fragment.writeUInt32BE(id, 4);
    const piece = Buffer.concat([frame.subarray(0, start), fragment, data]);
    piece.writeUInt16BE(fragment.length + data.length, 18);
    piece.writeUInt8(44, 20);
    return piece;
  });
};

/** Everything that another host may try with a packet of the tunnel, by name; each is one packet or its pieces. */
export const forgeries = (frame: Buffer): ReadonlyMap<string, readonly Buffer[]> => {
  const foreign = fromAnother(frame);
  const link = new Map<string, readonly Buffer[]>([
    ['as it is', [foreign]],
    ['with VLAN 0', [tagged(foreign)]],
  ]);
  if (!isIPv4(frame) && !isIPv6(frame)) return link;
  return new Map<string, readonly Buffer[]>([
    ...link,
    ['with options', [withOptions(foreign, 1)]],
    ['with many options', [withOptions(foreign, 8)]],
    ['in pieces of 8 bytes and the rest', inPieces(foreign, 8, 4242)],
    ['in pieces of 16 bytes and the rest', inPieces(foreign, 16, 4243)],
    ['in pieces, the last first', inPieces(foreign, 8, 4244).toReversed()],
    ['in pieces of options', inPieces(withOptions(foreign, 1), 16, 4245)],
  ]);
};
