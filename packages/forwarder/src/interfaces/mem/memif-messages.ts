// The control messages of memif 2.0, as DPDK, VPP and libmemif speak it: 128 bytes each, little-endian, packed.

/** Bytes of every message. */
export const messageSize = 128;

const version = 0x0200;
const types = {
  ack: 1,
  hello: 2,
  init: 3,
  addRegion: 4,
  addRing: 5,
  connect: 6,
  connected: 7,
  disconnect: 8,
} as const;

/** Bytes of what has a fixed place, filled with zeros. */
const secretSize = 24;
const reasonSize = 96;
const ethernet = 0;

export type MemifMessage =
  | { readonly kind: 'ack' }
  | { readonly kind: 'hello'; readonly rings: number; readonly log2RingSize: number }
  | { readonly kind: 'init'; readonly id: number; readonly secret: string }
  /** With the descriptor of the memory. */
  | { readonly kind: 'addRegion'; readonly index: number; readonly size: number }
  /** With the eventfd of the ring. `toServer`: the client sends on it. */
  | {
      readonly kind: 'addRing';
      readonly toServer: boolean;
      readonly index: number;
      readonly region: number;
      readonly offset: number;
      readonly log2Size: number;
    }
  | { readonly kind: 'connect' | 'connected' }
  | { readonly kind: 'disconnect'; readonly reason: string };

/** What the peer shows its users. */
const name = 'nsm';

export function encodeMessage(message: MemifMessage): Buffer {
  const bytes = Buffer.alloc(messageSize);
  bytes.writeUInt16LE(types[message.kind], 0);
  switch (message.kind) {
    case 'hello':
      bytes.write(name, 2);
      bytes.writeUInt16LE(version, 34);
      bytes.writeUInt16LE(version, 36);
      // The highest index each: regions, rings to the client, rings to the server.
      bytes.writeUInt16LE(maxRegions - 1, 38);
      bytes.writeUInt16LE(message.rings - 1, 40);
      bytes.writeUInt16LE(message.rings - 1, 42);
      bytes.writeUInt8(message.log2RingSize, 44);
      break;
    case 'init':
      bytes.writeUInt16LE(version, 2);
      bytes.writeUInt32LE(message.id, 4);
      bytes.writeUInt8(ethernet, 8);
      bytes.write(message.secret, 9, secretSize);
      bytes.write(name, 33);
      break;
    case 'addRegion':
      bytes.writeUInt16LE(message.index, 2);
      bytes.writeBigUInt64LE(BigInt(message.size), 4);
      break;
    case 'addRing':
      bytes.writeUInt16LE(message.toServer ? 1 : 0, 2);
      bytes.writeUInt16LE(message.index, 4);
      bytes.writeUInt16LE(message.region, 6);
      bytes.writeUInt32LE(message.offset, 8);
      bytes.writeUInt8(message.log2Size, 12);
      break;
    case 'connect':
    case 'connected':
      bytes.write(name, 2);
      break;
    case 'disconnect':
      bytes.write(message.reason, 6, reasonSize - 1);
      break;
    case 'ack':
      break;
  }
  return bytes;
}

/** More than any client uses. */
export const maxRegions = 16;

/** @throws Error for what is no message, or speaks of what is not known here. */
export function decodeMessage(bytes: Buffer): MemifMessage {
  if (bytes.length !== messageSize) throw new Error(`a message of ${bytes.length} bytes`);
  const type = bytes.readUInt16LE(0);
  switch (type) {
    case types.ack:
      return { kind: 'ack' };
    case types.hello:
      if (bytes.readUInt16LE(34) > version || bytes.readUInt16LE(36) < version)
        throw new Error('the server does not speak memif 2.0');
      return { kind: 'hello', rings: bytes.readUInt16LE(40) + 1, log2RingSize: bytes.readUInt8(44) };
    case types.init:
      if (bytes.readUInt16LE(2) !== version) throw new Error('the client does not speak memif 2.0');
      if (bytes.readUInt8(8) !== ethernet) throw new Error('only Ethernet frames are carried');
      return { kind: 'init', id: bytes.readUInt32LE(4), secret: text(bytes, 9, secretSize) };
    case types.addRegion:
      return {
        kind: 'addRegion',
        index: bytes.readUInt16LE(2),
        size: Number(bytes.readBigUInt64LE(4)),
      };
    case types.addRing:
      return {
        kind: 'addRing',
        toServer: (bytes.readUInt16LE(2) & 1) !== 0,
        index: bytes.readUInt16LE(4),
        region: bytes.readUInt16LE(6),
        offset: bytes.readUInt32LE(8),
        log2Size: bytes.readUInt8(12),
      };
    case types.connect:
      return { kind: 'connect' };
    case types.connected:
      return { kind: 'connected' };
    case types.disconnect:
      return { kind: 'disconnect', reason: text(bytes, 6, reasonSize) };
    default:
      throw new Error(`a message of type ${type}`);
  }
}

function text(bytes: Buffer, from: number, size: number): string {
  const [first = ''] = bytes.toString('utf8', from, from + size).split('\0', 1);
  return first;
}
