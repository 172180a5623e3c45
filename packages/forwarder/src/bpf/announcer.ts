// Tells another node on a link by which hardware address this one's frames come, in the words of ARP and ND.
import { formatMac, IpPrefix, libc, NetlinkError, parseMac, type RouteSocket } from '@nsm/netlink';
import type { Ends } from './underlay.js';

const AF_PACKET = 17;
const etherType = { arp: 0x0806, ipv6: 0x86dd } as const;
const icmpv6 = 58;
const broadcast = 'ff:ff:ff:ff:ff:ff';

export class Announcer {
  readonly #socket: RouteSocket;
  #fd = -1;

  constructor(socket: RouteSocket) {
    this.#socket = socket;
  }

  /**
   * Asks the other node for its own address, as this node's kernel does when it does not know it: thereby the
   * other node learns this node's address.
   * Does nothing where there is no such link, or the address is not this node's any more.
   * @param toAll to all nodes on the link; otherwise to the other node alone, as far as its hardware address is known.
   */
  announce({ local, remote }: Ends, device: number, toAll: boolean): void {
    try {
      const link = this.#socket.link(device);
      if (!link?.up || link.mac === undefined || this.#socket.routeTo(local).type !== 'local') return;
      const known = toAll ? undefined : this.#socket.neighbour(remote, device)?.mac;
      this.#send(device, question(local, remote, link.mac, known));
    } catch (error) {
      // The device or its network has gone, which is an event.
      if (!(error instanceof NetlinkError)) throw error;
    }
  }

  stop(): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  #send(device: number, frame: Buffer): void {
    // One socket for all frames, of no protocol: the kernel waits when a socket that listens is closed or bound anew.
    if (this.#fd < 0) this.#fd = libc.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC, 0);
    if (this.#fd < 0) return;
    // struct sockaddr_ll: family, protocol, index.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeInt32LE(device, 4);
    if (libc.bind(this.#fd, address, address.length) >= 0)
      libc.send(this.#fd, frame, frame.length, libc.MSG_DONTWAIT);
  }
}

/** The frame that asks for `remote`. @param to hardware address; undefined: all on the link. */
export function question(local: string, remote: string, mac: string, to?: string): Buffer {
  const [own, other] = [IpPrefix.ofAddress(local), IpPrefix.ofAddress(remote)];
  const [source, target] = [Buffer.from(own.bytes), Buffer.from(other.bytes)];
  const hardware = parseMac(mac);
  if (other.version === 4) {
    // RFC 826: Ethernet, IPv4, request.
    const request = Buffer.concat([
      Buffer.from('0001080006040001', 'hex'),
      ...[hardware, source, Buffer.alloc(6), target],
    ]);
    return frameOf(to ?? broadcast, hardware, etherType.arp, request);
  }
  // RFC 4861, 4.3, with the source link-layer address; to the solicited-node multicast address (RFC 4291, 2.7.1).
  const group = Buffer.concat([Buffer.from('ff0200000000000000000001ff', 'hex'), target.subarray(13)]);
  const message = Buffer.concat([
    Buffer.from('8700000000000000', 'hex'),
    ...[target, Buffer.from('0101', 'hex'), hardware],
  ]);
  const length = Buffer.from([0, 0, 0, message.length]);
  const pseudo = Buffer.concat([source, group, length, Buffer.from([0, 0, 0, icmpv6])]);
  message.writeUInt16BE(checksumOf(Buffer.concat([pseudo, message])), 2);
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, icmpv6, 255]);
  const everybody = formatMac(Buffer.from([0x33, 0x33, ...group.subarray(12)]));
  return frameOf(to ?? everybody, hardware, etherType.ipv6, Buffer.concat([header, source, group, message]));
}

function frameOf(to: string, from: Buffer, type: number, payload: Buffer): Buffer {
  return Buffer.concat([parseMac(to), from, Buffer.from([type >> 8, type & 0xff]), payload]);
}

/** RFC 1071, of an even number of bytes. */
function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
