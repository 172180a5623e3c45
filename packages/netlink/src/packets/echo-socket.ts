// An ordinary packet to one address: by which device it left, and when it was answered. Rules, tables, source and neighbour are all the
// kernel's choice.

import { formatIp, type IpPrefix } from '../address/ip-prefix.js';
import { EAGAIN, EHOSTUNREACH } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';
import type { NetworkNamespace } from '../namespaces/network-namespace.js';

/** linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h. */
const byVersion = {
  4: {
    domain: libc.AF_INET,
    protocol: 1,
    level: 0,
    packetInfo: 8,
    hops: 2,
    discover: 10,
    echoRequest: 8,
    echoReply: 0,
    // struct in_pktinfo begins with the interface's index.
    infoType: 8,
    infoIndexAt: 0,
  },
  6: {
    domain: libc.AF_INET6,
    protocol: 58,
    level: 41,
    packetInfo: 49,
    hops: 16,
    discover: 23,
    echoRequest: 128,
    echoReply: 129,
    // struct in6_pktinfo: the address, then the interface's index.
    infoType: 50,
    infoIndexAt: 16,
  },
} as const;

/** asm-generic/socket.h; riscv, arm64 and x86 have the same. */
const SO_TIMESTAMPING = 37;
/** SOFTWARE, TX_SCHED and OPT_CMSG of linux/net_tstamp.h: reports each packet that is handed to a device, with that device and the time. */
const reportDeparture = (1 << 4) | (1 << 8) | (1 << 10);
/** The time of what arrives: where the kernel has not begun yet to note that, the time at which it is read. */
const SO_TIMESTAMPNS = 35;
const SO_BINDTODEVICE = 25;
/** IP_PMTUDISC_PROBE: packets are not cut, and what is known of the path's MTU is not heeded. */
const PROBE = 3;
const MSG_ERRQUEUE = 0x2000;
const identifier = 0x6e73;

/** Settings of an {@link EchoSocket}. */
export interface EchoOptions {
  /** Routers, and this host, by which a packet may go. Default: 1, so that none is forwarded where it goes astray. */
  readonly hops?: number;
  /** Name of the device by which it leaves, whatever the routes say. Default: as they say. */
  readonly device?: string;
  /** Address that it is sent from. Default: the kernel's choice. */
  readonly source?: IpPrefix;
  /** What an answer repeats, and what answers are known by. Default: nothing. */
  readonly payload?: Uint8Array;
}

/** A packet that was handed to a device, its neighbour being known. */
export interface EchoDeparture {
  /** Index of the device. */
  readonly device: number;
  /** Nanoseconds since 1970; undefined where the kernel does not say. */
  readonly time: bigint | undefined;
}

/**
 * Sends ICMP echo requests, which no application is handed: the peer's kernel answers, or does not. The socket keeps its network namespace alive until it is closed.
 */
export class EchoSocket implements Disposable {
  readonly #fd: number;
  readonly #peer: IpPrefix;
  readonly #payload: Uint8Array;
  readonly #receiver: libc.MessageReceiver;

  private constructor(fd: number, peer: IpPrefix, payload: Uint8Array) {
    this.#fd = fd;
    this.#peer = peer;
    this.#payload = payload;
    // With the largest header of IPv4 before it.
    this.#receiver = new libc.MessageReceiver(128 + payload.length, 256);
  }

  /** @throws NetlinkError where the pod's routes let nothing go there: ENETUNREACH, EACCES for `prohibit`, EINVAL for `blackhole`. */
  static open(
    namespace: NetworkNamespace,
    peer: IpPrefix,
    { hops: allowed = 1, device, source, payload = new Uint8Array() }: EchoOptions = {},
  ): EchoSocket {
    const { domain, protocol, level, packetInfo, hops, discover } = byVersion[peer.version];
    const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const opened = new EchoSocket(
      namespace.run(() => check('open a socket', peer, libc.socket(domain, type, protocol))),
      peer,
      payload,
    );
    try {
      const set = (at: number, option: number, value: number): number =>
        check('set a socket option', peer, libc.setSocketOption(opened.#fd, at, option, value));
      set(libc.SOL_SOCKET, SO_TIMESTAMPING, reportDeparture);
      set(libc.SOL_SOCKET, SO_TIMESTAMPNS, 1);
      set(level, packetInfo, 1);
      set(level, hops, allowed);
      set(level, discover, PROBE);
      if (device !== undefined) {
        const name = Buffer.from(`${device}\0`);
        check(
          'bind to device',
          peer,
          libc.setSocketOptionBytes(opened.#fd, libc.SOL_SOCKET, SO_BINDTODEVICE, name),
        );
      }
      if (source) {
        const from = socketAddress(source);
        check('bind', source, libc.bind(opened.#fd, from, from.length));
      }
      const address = socketAddress(peer);
      check('connect', peer, libc.connect(opened.#fd, address, address.length));
      return opened;
    } catch (error) {
      opened[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws NetlinkError EPERM where a firewall of the pod drops it. */
  send(): void {
    const { version } = this.#peer;
    const request = Buffer.concat([Buffer.alloc(8), this.#payload]);
    request.writeUInt8(byVersion[version].echoRequest, 0);
    request.writeUInt16BE(identifier, 4);
    request.writeUInt16BE(1, 6);
    // The kernel computes that of ICMPv6.
    if (version === 4) request.writeUInt16BE(checksumOf(request), 2);
    const once = (): number => libc.send(this.#fd, request, request.length, 0);
    const sent = once();
    // That a former one found no neighbour is told first, and once.
    check('send', this.#peer, sent === -EHOSTUNREACH ? once() : sent);
  }

  /** A packet that was handed to a device, its neighbour being known; undefined while none was. */
  departure(): EchoDeparture | undefined {
    const { level, infoType, infoIndexAt } = byVersion[this.#peer.version];
    for (;;) {
      const received = this.#receiver.receive(this.#fd, MSG_ERRQUEUE);
      if (received === -EAGAIN) return undefined;
      check('read what became of a packet', this.#peer, received);
      const info = this.#control(level, infoType);
      if (info) return { device: info.readInt32LE(infoIndexAt), time: this.#time(SO_TIMESTAMPING) };
    }
  }

  /** When an answer with the payload came, nanoseconds since 1970; undefined while none did. */
  answer(): bigint | undefined {
    const { version } = this.#peer;
    for (;;) {
      const received = this.#receiver.receive(this.#fd, libc.MSG_DONTWAIT);
      // What others answer to a packet, such as that nobody is there.
      if (received < 0) return undefined;
      const { data } = this.#receiver;
      const at = version === 4 ? (data.readUInt8(0) & 0x0f) * 4 : 0;
      const message = data.subarray(at, received);
      const answers =
        message[0] === byVersion[version].echoReply && message.subarray(8).equals(this.#payload);
      if (answers) return this.#time(SO_TIMESTAMPNS) ?? BigInt(Date.now()) * 1_000_000n;
    }
  }

  /** A struct timespec; of SCM_TIMESTAMPING the first of three is the kernel's own. */
  #time(type: number): bigint | undefined {
    const time = this.#control(libc.SOL_SOCKET, type);
    return time && time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
  }

  #control(level: number, type: number): Buffer | undefined {
    const { control, controlLength } = this.#receiver;
    // struct cmsghdr: length with itself, level, type; each begins at a multiple of 8.
    for (let at = 0; at + 16 <= controlLength; ) {
      const length = Number(control.readBigUInt64LE(at));
      if (control.readInt32LE(at + 8) === level && control.readInt32LE(at + 12) === type)
        return control.subarray(at + 16, at + length);
      at += Math.max(16, (length + 7) & ~7);
    }
    return undefined;
  }

  /** The address that the kernel speaks to the peer from. */
  source(): string {
    const address = Buffer.alloc(28);
    check('name the source of packets', this.#peer, libc.socketName(this.#fd, address));
    return formatIp(this.#peer.version === 4 ? address.subarray(4, 8) : address.subarray(8, 24));
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

/** struct sockaddr_in or sockaddr_in6, without port. */
function socketAddress({ version, bytes, family }: IpPrefix): Buffer {
  const address = Buffer.alloc(version === 4 ? 16 : 28);
  address.writeUInt16LE(family, 0);
  bytes.copy(address, version === 4 ? 4 : 8);
  return address;
}

function check(operation: string, { address }: IpPrefix, result: libc.SystemResult): number {
  if (result < 0) throw new NetlinkError(-result, operation, address);
  return result;
}

/** RFC 1071. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : (bytes[at] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
