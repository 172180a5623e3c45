// A raw packet socket (packet(7)): sends and sees frames of one device, with what an adapter would still have to do to them.
import { libc, type NetworkNamespace } from '@nsm/netlink';
import { waitFor } from './wait-for.js';

const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const PACKET_VNET_HDR = 15;
const PACKET_QDISC_BYPASS = 20;
const PACKET_IGNORE_OUTGOING = 23;
const ETH_P_ALL = 3;
const TP_STATUS_VLAN_VALID = 0x10;
const receiveBuffer = 16 << 20;

/** What is left to an adapter: `struct virtio_net_hdr` (linux/virtio_net.h), of ten bytes. */
export interface Offload {
  /** VIRTIO_NET_HDR_GSO_: how the packet is to be cut; absent: it is not. */
  readonly segments?: {
    readonly type: 'tcp4' | 'tcp6' | 'udp';
    /** Bytes of payload of each segment. */
    readonly size: number;
    /** Bytes of all headers. */
    readonly headers: number;
  };
  /** Where the checksum begins, and where it belongs, counted from there; absent: there is nothing to do. */
  readonly checksum?: { readonly start: number; readonly offset: number };
}

/** A frame, and what was left to do when it arrived. */
export interface SeenFrame {
  readonly frame: Buffer;
  readonly offload: Offload;
}

export interface PacketSocketOptions {
  /** Only frames of that EtherType that traffic control passes on. Default: every one. */
  readonly type?: number;
  /** Not what the device sends. Default: that, too. */
  readonly incoming?: boolean;
  /** Frames may have something left to do. Default: the kernel finishes what is sent, and what is seen may be unfinished. */
  readonly offloads?: boolean;
  /** What is sent goes past traffic control, as if a machine without the mesh had sent it. Default: as what others send. */
  readonly bypass?: boolean;
}

export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #offloads: boolean;
  readonly #receiver = new libc.MessageReceiver(offloadSize + 65_536, 256);

  constructor(namespace: NetworkNamespace, device: number, options: PacketSocketOptions = {}) {
    const { type = ETH_P_ALL, incoming = false, offloads = false, bypass = false } = options;
    this.#offloads = offloads;
    // Nothing is seen before it is bound.
    this.#fd = namespace.run(() => libc.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC, 0));
    libc.setSocketOption(this.#fd, libc.SOL_SOCKET, libc.SO_RCVBUFFORCE, receiveBuffer);
    libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_AUXDATA, 1);
    if (bypass) libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    if (incoming) libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    if (offloads) libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    // struct sockaddr_ll: family, protocol, index.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(type, 2);
    address.writeInt32LE(device, 4);
    const bound = libc.bind(this.#fd, address, address.length);
    if (bound < 0) throw new Error(`bind: ${libc.errorText(-bound)}`);
  }

  /** @param offload needs a socket with `offloads`. */
  send(frame: Uint8Array, offload: Offload = {}): void {
    const bytes = this.#offloads ? Buffer.concat([encodeOffload(offload), frame]) : frame;
    const sent = libc.send(this.#fd, bytes, bytes.length, 0);
    if (sent < 0) throw new Error(`send: ${libc.errorText(-sent)}`);
  }

  /** The next frame that `wanted` accepts; the others of the same look are forgotten. */
  async receive(wanted: (frame: Buffer) => boolean, what: string): Promise<Buffer> {
    return await waitFor(() => this.seen().find(({ frame }) => wanted(frame))?.frame, { what });
  }

  /** What came since the last look, the outermost VLAN tag put back where the kernel took it from. */
  seen(): SeenFrame[] {
    const frames: SeenFrame[] = [];
    for (;;) {
      const length = this.#receiver.receive(this.#fd, libc.MSG_DONTWAIT);
      if (length < 0) return frames;
      const bytes = Buffer.from(this.#receiver.data.subarray(0, length));
      const frame = this.#withTag(this.#offloads ? bytes.subarray(offloadSize) : bytes);
      frames.push({ frame, offload: this.#offloads ? decodeOffload(bytes) : {} });
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }

  #withTag(frame: Buffer): Buffer {
    const { control } = this.#receiver;
    // struct cmsghdr is 16 bytes; of struct tpacket_auxdata: status at 0, TCI at 16, TPID at 18.
    const tagged = this.#receiver.controlLength > 0 && control.readUInt32LE(16) & TP_STATUS_VLAN_VALID;
    if (!tagged) return frame;
    const tag = Buffer.alloc(4);
    tag.writeUInt16BE(control.readUInt16LE(34), 0);
    tag.writeUInt16BE(control.readUInt16LE(32), 2);
    return Buffer.concat([frame.subarray(0, 12), tag, frame.subarray(12)]);
  }
}

const offloadSize = 10;
const NEEDS_CHECKSUM = 1;
const segmentTypes = { tcp4: 1, tcp6: 4, udp: 5 } as const;

function encodeOffload({ segments, checksum }: Offload): Buffer {
  const bytes = Buffer.alloc(offloadSize);
  if (segments) {
    bytes.writeUInt8(segmentTypes[segments.type], 1);
    bytes.writeUInt16LE(segments.headers, 2);
    bytes.writeUInt16LE(segments.size, 4);
  }
  if (checksum) {
    bytes.writeUInt8(NEEDS_CHECKSUM, 0);
    bytes.writeUInt16LE(checksum.start, 6);
    bytes.writeUInt16LE(checksum.offset, 8);
  }
  return bytes;
}

function decodeOffload(bytes: Buffer): Offload {
  // VIRTIO_NET_HDR_GSO_ECN may stand beside the type.
  const code = bytes.readUInt8(1) & 0x7f;
  const type = (['tcp4', 'tcp6', 'udp'] as const).find((one) => segmentTypes[one] === code);
  return {
    ...(type && { segments: { type, headers: bytes.readUInt16LE(2), size: bytes.readUInt16LE(4) } }),
    ...(bytes.readUInt8(0) & NEEDS_CHECKSUM && {
      checksum: { start: bytes.readUInt16LE(6), offset: bytes.readUInt16LE(8) },
    }),
  };
}
