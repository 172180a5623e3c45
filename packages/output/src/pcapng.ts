// Blocks of the pcapng format, draft-ietf-opsawg-pcapng: written one after the other, each whole, so that a reader at the other end of
// a pipe has every packet at once. Numbers are little-endian, as the section header says.

/** LINKTYPE_ETHERNET. */
const ethernet = 1;
/** Options, sections 3.5, 4.1, 4.2, 4.3 and 4.5 of the draft. */
const option = {
  comment: 1,
  application: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  timeResolution: 9,
  packetFlags: 2,
  interfaceDrops: 5,
} as const;
/** Direction of epb_flags, section 4.3.1. */
const direction = { inbound: 1, outbound: 2 } as const;
/** if_tsresol: times are in units of 10⁻⁹ s. */
const nanoseconds = 9;

type Option = readonly [code: number, value: Uint8Array];

/** A device at which packets were captured. */
export interface PcapngInterface {
  readonly name: string;
  readonly description: string;
  readonly comment: string;
  /** Bytes that are kept of each packet; 0: all. */
  readonly snapLength: number;
}

/** A packet that begins with an Ethernet header. */
export interface PcapngPacket {
  /** Place of its interface among those of the file. */
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly outgoing: boolean;
  /** Bytes that it had. */
  readonly length: number;
  readonly data: Uint8Array;
}

/** The first block of a file. */
export function sectionHeader(application: string, comment: string): Uint8Array {
  const body = Buffer.alloc(16);
  // The byte order is known by this number; then version 1.0, and a length that is not known.
  body.writeUInt32LE(0x1a2b3c4d, 0);
  body.writeUInt16LE(1, 4);
  body.writeBigInt64LE(-1n, 8);
  return block(0x0a0d0d0a, body, [text(option.comment, comment), text(option.application, application)]);
}

/** One for each interface, in the order of their numbers, before its first packet. */
export function interfaceBlock({ name, description, comment, snapLength }: PcapngInterface): Uint8Array {
  const body = Buffer.alloc(8);
  body.writeUInt16LE(ethernet, 0);
  body.writeUInt32LE(snapLength, 4);
  return block(1, body, [
    text(option.interfaceName, name),
    text(option.interfaceDescription, description),
    text(option.comment, comment),
    [option.timeResolution, Buffer.from([nanoseconds])],
  ]);
}

export function packetBlock({ interface: index, timeNs, outgoing, length, data }: PcapngPacket): Uint8Array {
  const body = Buffer.alloc(20 + padded(data.length));
  body.writeUInt32LE(index, 0);
  writeTime(body, timeNs, 4);
  body.writeUInt32LE(data.length, 12);
  body.writeUInt32LE(length, 16);
  body.set(data, 20);
  return block(6, body, [number32(option.packetFlags, outgoing ? direction.outbound : direction.inbound)]);
}

/** The last of an interface. @param dropped packets that passed and are not in the file. */
export function statisticsBlock(index: number, timeNs: bigint, dropped: bigint): Uint8Array {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(index, 0);
  writeTime(body, timeNs, 4);
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(dropped);
  return block(5, body, [[option.interfaceDrops, count]]);
}

/** In the two halves of the draft, the upper one first. */
function writeTime(body: Buffer, timeNs: bigint, at: number): void {
  body.writeUInt32LE(Number(timeNs >> 32n), at);
  body.writeUInt32LE(Number(timeNs & 0xffff_ffffn), at + 4);
}

function text(code: number, value: string): Option {
  return [code, Buffer.from(value)];
}

function number32(code: number, value: number): Option {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [code, bytes];
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

/** Type, length, body, options and length again, each option padded to 32 bits and the last one empty. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const given = options.filter(([, value]) => value.length > 0);
  const optionsSize = given.reduce((sum, [, value]) => sum + 4 + padded(value.length), 0) + 4;
  const size = 12 + body.length + optionsSize;
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(size, 4);
  bytes.set(body, 8);
  let at = 8 + body.length;
  for (const [code, value] of given) {
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt16LE(value.length, at + 2);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  bytes.writeUInt32LE(size, size - 4);
  return bytes;
}
