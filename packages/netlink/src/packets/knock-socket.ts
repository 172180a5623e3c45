// Whether packets of a protocol, or to a UDP port, come to another machine on which nobody waits for them: its kernel says so by ICMP.

import type { IpPrefix } from '../address/ip-prefix.js';
import { EACCES, EAGAIN, EHOSTUNREACH } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';

/** linux/in.h. */
const IPPROTO_UDP = 17;
const [ECONNREFUSED, ENOPROTOOPT, EPROTO] = [111, 92, 71];

/** What packets are sent to. */
export type Door = { readonly udpPort: number } | { readonly protocol: number };

/** `came`: the other kernel has it, and nobody waits for it. `forbidden`: somebody on the way refuses it, and says so. */
export type KnockAnswer = 'came' | 'forbidden';

export class KnockSocket implements Disposable {
  readonly #fd: number;
  readonly #peer: IpPrefix;
  readonly #payload: Buffer;

  private constructor(fd: number, peer: IpPrefix, payload: Buffer) {
    this.#fd = fd;
    this.#peer = peer;
    this.#payload = payload;
  }

  /**
   * In the network namespace of the calling thread.
   * @param payload of each packet. @throws NetlinkError EPERM for a protocol without CAP_NET_RAW, ENETUNREACH without a route.
   */
  static open(peer: IpPrefix, door: Door, payload: Buffer): KnockSocket {
    const domain = peer.version === 4 ? libc.AF_INET : libc.AF_INET6;
    const udp = 'udpPort' in door;
    const type = (udp ? libc.SOCK_DGRAM : libc.SOCK_RAW) | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK;
    const fd = check('open a socket', peer, libc.socket(domain, type, udp ? IPPROTO_UDP : door.protocol));
    const knock = new KnockSocket(fd, peer, payload);
    try {
      // struct sockaddr_in or sockaddr_in6.
      const address = Buffer.alloc(peer.version === 4 ? 16 : 28);
      address.writeUInt16LE(peer.family, 0);
      if (udp) address.writeUInt16BE(door.udpPort, 2);
      peer.bytes.copy(address, peer.version === 4 ? 4 : 8);
      check('connect', peer, libc.connect(fd, address, address.length));
      return knock;
    } catch (error) {
      knock[Symbol.dispose]();
      throw error;
    }
  }

  /** What a former packet met is told by `answer`, and not here. */
  send(): void {
    libc.send(this.#fd, this.#payload, this.#payload.length, 0);
  }

  /** What was heard since it was last asked; undefined: nothing. A packet in return is an answer, too. @throws NetlinkError */
  answer(): KnockAnswer | undefined {
    const result = libc.recv(this.#fd, Buffer.alloc(256), 256, 0);
    switch (-result) {
      case EAGAIN:
        return undefined;
      case EHOSTUNREACH:
      case EACCES:
        return 'forbidden';
      // Port, protocol (IPv4) and next header (IPv6) that the other kernel does not serve.
      case ECONNREFUSED:
      case ENOPROTOOPT:
      case EPROTO:
        return 'came';
      default:
        check('hear what became of a packet', this.#peer, result);
        return 'came';
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}

function check(operation: string, { address }: IpPrefix, result: libc.SystemResult): number {
  if (result < 0) throw new NetlinkError(-result, operation, address);
  return result;
}
