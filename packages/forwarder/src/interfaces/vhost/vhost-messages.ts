// The messages of vhost-user: a header of three words, then what the request asks for; little-endian, over a stream.

/** What a driver may ask for without more being agreed on than below; named as the specification of vhost-user does. */
export const requests = {
  getFeatures: 1,
  setFeatures: 2,
  setOwner: 3,
  resetOwner: 4,
  setMemTable: 5,
  setVringNum: 8,
  setVringAddr: 9,
  setVringBase: 10,
  getVringBase: 11,
  setVringKick: 12,
  setVringCall: 13,
  setVringErr: 14,
  getProtocolFeatures: 15,
  setProtocolFeatures: 16,
  getQueueNum: 17,
  setVringEnable: 18,
} as const;

export type Request = keyof typeof requests;

/** What both sides agree on. Bits of the features of virtio-net, and of the protocol. */
export const features = {
  mergeableBuffers: 0x8000n,
  multiqueue: 0x40_0000n,
  protocolFeatures: 0x4000_0000n,
  version1: 0x1_0000_0000n,
} as const;
export const protocolFeatures = { multiqueue: 1n, replyAck: 8n } as const;

export const headerSize = 12;
/** More than any request that is known here. */
const maxPayload = 512;
export const messageSize: number = headerSize + maxPayload;

const names = new Map<number, Request>(
  Object.entries(requests).map(([name, number]) => [number, name as Request]),
);
const version = 1;
const versionMask = 3;
const replyFlag = 4;
const needReplyFlag = 8;

export interface Header {
  /** Undefined for what is not known here. */
  readonly request: Request | undefined;
  readonly number: number;
  readonly reply: boolean;
  readonly needReply: boolean;
  /** Bytes that follow. */
  readonly size: number;
}

/** @throws Error for what cannot be a message. */
export function decodeHeader(bytes: Buffer): Header {
  const [number, flags, size] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8)];
  if ((flags & versionMask) !== version) throw new Error('the peer does not speak version 1 of vhost-user');
  if (size > maxPayload) throw new Error(`request ${number} of ${size} bytes`);
  return {
    request: names.get(number),
    number,
    size,
    reply: (flags & replyFlag) !== 0,
    needReply: (flags & needReplyFlag) !== 0,
  };
}

export function encodeMessage(number: number, payload: Buffer, reply = false): Buffer {
  const bytes = Buffer.alloc(headerSize + payload.length);
  bytes.writeUInt32LE(number, 0);
  bytes.writeUInt32LE(version | (reply ? replyFlag : 0), 4);
  bytes.writeUInt32LE(payload.length, 8);
  payload.copy(bytes, headerSize);
  return bytes;
}

export function encodeNumber(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export const decodeNumber = (payload: Buffer): bigint => ofSize(payload, 8).readBigUInt64LE(0);

/** A ring by its index, and a number that is said of it. */
export interface RingNumber {
  readonly index: number;
  readonly value: number;
}

export function encodeRingNumber({ index, value }: RingNumber): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(index, 0);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

export function decodeRingNumber(payload: Buffer): RingNumber {
  ofSize(payload, 8);
  return { index: payload.readUInt32LE(0), value: payload.readUInt32LE(4) };
}

/** Of a ring whose descriptor comes with the message, or of one that has none. */
export function decodeRingDescriptor(payload: Buffer): { readonly index: number; readonly none: boolean } {
  const value = Number(decodeNumber(payload) & 0x1ffn);
  return { index: value & 0xff, none: (value & 0x100) !== 0 };
}

/** Addresses of the parts of a ring in the driver's process. */
export interface RingAddresses {
  readonly index: number;
  readonly descriptors: number;
  readonly used: number;
  readonly available: number;
}

export function encodeRingAddresses({ index, descriptors, used, available }: RingAddresses): Buffer {
  const bytes = Buffer.alloc(40);
  bytes.writeUInt32LE(index, 0);
  for (const [place, address] of [descriptors, used, available].entries())
    bytes.writeBigUInt64LE(BigInt(address), 8 + 8 * place);
  return bytes;
}

/** Without flags and the address of a log, which is never agreed on. */
export function decodeRingAddresses(payload: Buffer): RingAddresses {
  ofSize(payload, 40);
  const [descriptors = 0, used = 0, available = 0] = [8, 16, 24].map((at) =>
    Number(payload.readBigUInt64LE(at)),
  );
  return { index: payload.readUInt32LE(0), descriptors, used, available };
}

/** A piece of the driver's memory. Its descriptor comes with the message. */
export interface Region {
  /** The region's address in descriptors of buffers. */
  readonly guest: number;
  readonly size: number;
  /** The region's address in the driver's process, as addresses of rings are given. */
  readonly user: number;
  /** Offset of the region in its descriptor. */
  readonly offset: number;
}

const regionSize = 32;
export const maxRegions = 8;

export function encodeRegions(regions: readonly Region[]): Buffer {
  const bytes = Buffer.alloc(8 + regions.length * regionSize);
  bytes.writeUInt32LE(regions.length, 0);
  for (const [index, { guest, size, user, offset }] of regions.entries())
    for (const [place, value] of [guest, size, user, offset].entries())
      bytes.writeBigUInt64LE(BigInt(value), 8 + index * regionSize + 8 * place);
  return bytes;
}

/** @throws Error for too many of them, or numbers that no address can be. */
export function decodeRegions(payload: Buffer): Region[] {
  const count = payload.length < 8 ? 0 : payload.readUInt32LE(0);
  if (count < 1 || count > maxRegions) throw new Error(`${count} regions of memory`);
  if (payload.length < 8 + count * regionSize) throw new Error('fewer regions of memory than announced');
  return Array.from({ length: count }, (_, index) => {
    const [guest = 0, size = 0, user = 0, offset = 0] = [0, 8, 16, 24].map((place) =>
      Number(payload.readBigUInt64LE(8 + index * regionSize + place)),
    );
    if (size === 0 || ![guest + size, user + size, offset + size].every(Number.isSafeInteger))
      throw new Error('a region of memory where none can be');
    return { guest, size, user, offset };
  });
}

function ofSize(payload: Buffer, size: number): Buffer {
  if (payload.length < size) throw new Error(`${payload.length} bytes where ${size} are needed`);
  return payload;
}
