// Listens to what passes a device (packet(7)), with the time at which the kernel saw it.
import { EAGAIN, ENETDOWN, ENODEV } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { check } from '../libc/netlink-error.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';
import { attachFilter } from '../protocol/socket-filter.js';

const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const ETH_P_ALL = 3;
const TP_STATUS_VLAN_VALID = 0x10;
/** Of `struct sockaddr_ll`: what the device sends. */
const PACKET_OUTGOING = 4;
const SO_TIMESTAMPNS = 35;
const SIOCGIFNAME = 0x8910;
/** Of `struct ifreq` and of the index behind the name. */
const ifreqSize = 40;
const ifreqIndexAt = 16;

/** A packet that passed. */
export interface TappedPacket {
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** What the device sends; else what it receives. */
  readonly outgoing: boolean;
  /** Bytes that it had. */
  readonly length: number;
  /** Its first bytes, the outermost VLAN tag put back where the kernel took it from. */
  readonly data: Uint8Array;
}

/** Settings of a {@link PacketTap}. */
export interface PacketTapOptions {
  /** Index of the device. */
  readonly device: number;
  /** A program of `encodeFilter` or `compileFilter`. Default: every packet. */
  readonly filter?: Buffer | undefined;
  /** Bytes that are kept of a packet, up to 65,535. Default: that. */
  readonly snapLength?: number | undefined;
  /** Bytes of kernel memory in which packets wait to be read; what does not fit is dropped and counted. */
  readonly bufferSize: number;
}

/** Holds its network namespace, and not its device, until it is closed. */
export class PacketTap implements Disposable {
  readonly #fd: number;
  readonly #device: number;
  readonly #receiver: libc.MessageReceiver;
  #dropped = 0;

  /** @throws NetlinkError EINVAL for a filter that the kernel does not take, ENODEV, EPERM without CAP_NET_RAW */
  constructor(namespace: NetworkNamespace, options: PacketTapOptions) {
    const { device, filter, bufferSize, snapLength = 65_535 } = options;
    this.#device = device;
    this.#receiver = new libc.MessageReceiver(snapLength, 128, 20);
    const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const object = `device ${device}`;
    // Nothing is heard before it is bound.
    this.#fd = check(
      namespace.run(() => libc.socket(AF_PACKET, type, 0)),
      'open packet socket',
      object,
    );
    try {
      libc.setSocketOption(this.#fd, libc.SOL_SOCKET, libc.SO_RCVBUFFORCE, bufferSize);
      libc.setSocketOption(this.#fd, libc.SOL_SOCKET, SO_TIMESTAMPNS, 1);
      libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_AUXDATA, 1);
      if (filter && filter.length > 0) check(attachFilter(this.#fd, filter), 'attach filter to', object);
      // struct sockaddr_ll: family, protocol, index.
      const address = Buffer.alloc(20);
      address.writeUInt16LE(AF_PACKET, 0);
      address.writeUInt16BE(ETH_P_ALL, 2);
      address.writeInt32LE(device, 4);
      check(libc.bind(this.#fd, address, address.length), 'listen to', object);
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /** The next packet; undefined when there is none now. That the device went down, or has gone, is no error. */
  next(): TappedPacket | undefined {
    const received = this.#receiver.receive(this.#fd, libc.MSG_DONTWAIT | libc.MSG_TRUNC);
    // Told once for each time that the device goes down.
    if (received === -EAGAIN || received === -ENETDOWN) return undefined;
    const length = check(received, 'read packet of', `device ${this.#device}`);
    const { data, name } = this.#receiver;
    const { time, tag } = this.#control();
    const kept = data.subarray(0, Math.min(length, data.length));
    return {
      time: time ?? BigInt(Date.now()) * 1_000_000n,
      // sll_pkttype.
      outgoing: name.readUInt8(10) === PACKET_OUTGOING,
      length: length + (tag?.length ?? 0),
      // Of memory of its own: a message to another thread takes all of the memory that its parts are in.
      data: Uint8Array.from(tag ? Buffer.concat([kept.subarray(0, 12), tag, kept.subarray(12)]) : kept),
    };
  }

  /** Packets that were dropped since it was opened, because they were not read in time. */
  get dropped(): number {
    // struct tpacket_stats: packets and drops since it was read last.
    const statistics = Buffer.alloc(8);
    if (libc.getSocketOption(this.#fd, SOL_PACKET, PACKET_STATISTICS, statistics) >= 0)
      this.#dropped += statistics.readUInt32LE(4);
    return this.#dropped;
  }

  /** The device is not there any more: it was deleted, or moved to another namespace. */
  get hasGone(): boolean {
    const request = Buffer.alloc(ifreqSize);
    request.writeInt32LE(this.#device, ifreqIndexAt);
    return libc.ioctl(this.#fd, SIOCGIFNAME, request) === -ENODEV;
  }

  #control(): { readonly time?: bigint; readonly tag?: Buffer } {
    const { control, controlLength } = this.#receiver;
    let time: bigint | undefined;
    let tag: Buffer | undefined;
    // struct cmsghdr: length with itself, level, type; each begins at a multiple of 8.
    for (let at = 0; at + 16 <= controlLength; ) {
      const [level, type] = [control.readInt32LE(at + 8), control.readInt32LE(at + 12)];
      if (level === libc.SOL_SOCKET && type === SO_TIMESTAMPNS)
        time = control.readBigInt64LE(at + 16) * 1_000_000_000n + control.readBigInt64LE(at + 24);
      // struct tpacket_auxdata: status at 0, TCI at 16, TPID at 18.
      if (
        level === SOL_PACKET &&
        type === PACKET_AUXDATA &&
        control.readUInt32LE(at + 16) & TP_STATUS_VLAN_VALID
      ) {
        tag = Buffer.alloc(4);
        tag.writeUInt16BE(control.readUInt16LE(at + 34), 0);
        tag.writeUInt16BE(control.readUInt16LE(at + 32), 2);
      }
      at += Math.max(16, (Number(control.readBigUInt64LE(at)) + 7) & ~7);
    }
    return { ...(time === undefined ? {} : { time }), ...(tag ? { tag } : {}) };
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}
