// An ordinary packet to one address, and by which device it left: rules, tables, source and neighbour are all the kernel's choice.
import { EAGAIN, EHOSTUNREACH } from './errno.js';
import { formatIp, type IpPrefix } from './ip-prefix.js';
import * as libc from './libc.js';
import { NetlinkError } from './netlink-error.js';
import type { NetworkNamespace } from './network-namespace.js';

/** linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h. */
const byVersion = {
  4: {
    domain: libc.AF_INET,
    protocol: 1,
    level: 0,
    packetInfo: 8,
    hops: 2,
    echoRequest: 8,
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
    echoRequest: 128,
    // struct in6_pktinfo: the address, then the interface's index.
    infoType: 50,
    infoIndexAt: 16,
  },
} as const;

/** asm-generic/socket.h; riscv, arm64 and x86 have the same. */
const SO_TIMESTAMPING = 37;
/** SOFTWARE, TX_SCHED and OPT_CMSG of linux/net_tstamp.h: reports each packet that is handed to a device, with that device. */
const reportDeparture = (1 << 4) | (1 << 8) | (1 << 10);
const MSG_ERRQUEUE = 0x2000;
const identifier = 0x6e73;

/**
 * Sends ICMP echo requests, which no application is handed: the peer's kernel answers, or does not. They have one hop to go, so
 * that none is forwarded where it goes astray. The socket keeps its network namespace alive until it is closed.
 */
export class EchoSocket implements Disposable {
  readonly #fd: number;
  readonly #peer: IpPrefix;
  readonly #receiver = new libc.MessageReceiver(128, 256);

  private constructor(fd: number, peer: IpPrefix) {
    this.#fd = fd;
    this.#peer = peer;
  }

  /** @throws NetlinkError where the pod's routes let nothing go there: ENETUNREACH, EACCES for `prohibit`, EINVAL for `blackhole`. */
  static open(namespace: NetworkNamespace, peer: IpPrefix): EchoSocket {
    const { domain, protocol, level, packetInfo, hops } = byVersion[peer.version];
    const type = libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const opened = new EchoSocket(
      namespace.run(() => check('open a socket', peer, libc.socket(domain, type, protocol))),
      peer,
    );
    try {
      const set = (at: number, option: number, value: number): number =>
        check('set a socket option', peer, libc.setSocketOption(opened.#fd, at, option, value));
      set(libc.SOL_SOCKET, SO_TIMESTAMPING, reportDeparture);
      set(level, packetInfo, 1);
      set(level, hops, 1);
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
    const request = Buffer.alloc(8);
    request.writeUInt8(byVersion[version].echoRequest, 0);
    request.writeUInt16BE(identifier, 4);
    request.writeUInt16BE(1, 6);
    // The kernel computes that of ICMPv6. Of three words none of which is near 0xffff, a carry is folded once.
    if (version === 4) {
      const sum = request.readUInt16BE(0) + identifier + 1;
      request.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 2);
    }
    const once = (): number => libc.send(this.#fd, request, request.length, 0);
    const sent = once();
    // That a former one found no neighbour is told first, and once.
    check('send', this.#peer, sent === -EHOSTUNREACH ? once() : sent);
  }

  /** Index of the device that a packet was handed to, its neighbour being known; undefined while none was. */
  departedBy(): number | undefined {
    const { level, infoType, infoIndexAt } = byVersion[this.#peer.version];
    for (;;) {
      const received = this.#receiver.receive(this.#fd, MSG_ERRQUEUE);
      if (received === -EAGAIN) return undefined;
      check('read what became of a packet', this.#peer, received);
      const { control, controlLength } = this.#receiver;
      // struct cmsghdr: length with itself, level, type; each begins at a multiple of 8.
      for (let at = 0; at + 16 <= controlLength; ) {
        const length = Number(control.readBigUInt64LE(at));
        if (control.readInt32LE(at + 8) === level && control.readInt32LE(at + 12) === infoType)
          return control.readInt32LE(at + 16 + infoIndexAt);
        at += Math.max(16, (length + 7) & ~7);
      }
    }
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
