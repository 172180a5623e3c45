// Packets of a wanted size that no router may cut, and their answers: ICMP echo (RFC 792, RFC 4443) with path MTU discovery for probing.

import type { IpPrefix } from '../address/ip-prefix.js';
import { EACCES, EAGAIN, EMSGSIZE, EPERM } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';

/** linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h. */
const byVersion = {
  4: { domain: libc.AF_INET, protocol: 1, level: 0, discover: 10, request: 8, reply: 0, header: 20 },
  6: { domain: libc.AF_INET6, protocol: 58, level: 41, discover: 23, request: 128, reply: 129, header: 40 },
} as const;
/** IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE: packets are not cut, and what is known of the path's MTU is not heeded. */
const PROBE = 3;
const icmpHeader = 8;
const [largestPacket, mark] = [65_535, 0x6e73_6d70];

/**
 * Measures in the network namespace of the calling thread. The kernel of the other end answers with as many bytes, so that what comes
 * back has passed both ways.
 */
export class EchoProbe implements Disposable {
  readonly #fd: number;
  readonly #peer: IpPrefix;
  /** A raw socket sees every answer that comes to this machine, with the header of IPv4 before it. */
  readonly #raw: boolean;
  readonly #identifier = (process.pid & 0xffff) ^ 0x5a5a;

  private constructor(fd: number, peer: IpPrefix, raw: boolean) {
    this.#fd = fd;
    this.#peer = peer;
    this.#raw = raw;
  }

  /** @throws NetlinkError EPERM or EACCES where this process may not (CAP_NET_RAW, or net.ipv4.ping_group_range). */
  static open(peer: IpPrefix): EchoProbe {
    const { domain, protocol, level, discover } = byVersion[peer.version];
    const open = (type: number): number =>
      libc.socket(domain, type | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, protocol);
    // As ping(8): a socket for echo alone, where the group of this process may, else a raw one.
    let [fd, raw] = [open(libc.SOCK_DGRAM), false];
    if (fd === -EACCES || fd === -EPERM) [fd, raw] = [open(libc.SOCK_RAW), true];
    const probe = new EchoProbe(check('open a socket', peer, fd), peer, raw);
    try {
      check('forbid fragments', peer, libc.setSocketOption(fd, level, discover, PROBE));
      const address = Buffer.alloc(peer.version === 4 ? 16 : 28);
      address.writeUInt16LE(peer.family, 0);
      peer.bytes.copy(address, peer.version === 4 ? 4 : 8);
      check('connect', peer, libc.connect(fd, address, address.length));
      return probe;
    } catch (error) {
      probe[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * @param size bytes of the whole IP packet.
   * @returns false where the own device does not take it. @throws NetlinkError where it cannot be sent.
   */
  send(size: number): boolean {
    const { request, header } = byVersion[this.#peer.version];
    const message = Buffer.alloc(Math.min(size, largestPacket) - header);
    message.writeUInt8(request, 0);
    // Of a socket for echo alone the kernel writes its own identifier and the checksum.
    message.writeUInt16BE(this.#identifier, 4);
    message.writeUInt16BE(size & 0xffff, 6);
    message.writeUInt32BE(mark, icmpHeader);
    message.writeUInt32BE(size, icmpHeader + 4);
    if (this.#raw && this.#peer.version === 4) message.writeUInt16BE(checksum(message), 2);
    const send = (): number => libc.send(this.#fd, message, message.length, 0);
    // An error that an earlier packet met is told first, and once.
    const first = send();
    const sent = first < 0 ? send() : first;
    if (sent === -EMSGSIZE) return false;
    check('send', this.#peer, sent);
    return true;
  }

  /** Sizes of the packets that came back since it was last asked. */
  answers(): number[] {
    const { reply } = byVersion[this.#peer.version];
    const skipped = this.#raw && this.#peer.version === 4 ? 20 : 0;
    const buffer = Buffer.allocUnsafe(largestPacket);
    const sizes: number[] = [];
    for (let errors = 0; errors < 16; ) {
      const length = libc.recv(this.#fd, buffer, buffer.length, 0);
      if (length === -EAGAIN) break;
      if (length < 0) errors++;
      const message = buffer.subarray(skipped, Math.max(skipped, length));
      if (message.length < icmpHeader + 8 || message.readUInt8(0) !== reply) continue;
      if (this.#raw && message.readUInt16BE(4) !== this.#identifier) continue;
      if (message.readUInt32BE(icmpHeader) === mark) sizes.push(message.readUInt32BE(icmpHeader + 4));
    }
    return sizes;
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : bytes.readUInt8(at) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function check(operation: string, { address }: IpPrefix, result: libc.SystemResult): number {
  if (result < 0) throw new NetlinkError(-result, operation, address);
  return result;
}
