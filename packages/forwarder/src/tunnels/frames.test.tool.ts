// Frames for the tunnel tests: a raw packet socket, and ways to spoil a packet.
import { libc, type NetworkNamespace } from '@nsm/netlink';
import { waitFor } from '@nsm/testkit';

const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const ETH_P_ALL = 3;
const TP_STATUS_VLAN_VALID = 0x10;

/** Sends and sees frames of one device (packet(7)): every one, or those of one EtherType that traffic control passes on. */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #receiver = new libc.MessageReceiver(65_536, 256);

  constructor(namespace: NetworkNamespace, device: number, type: number = ETH_P_ALL) {
    // Nothing is seen before it is bound.
    this.#fd = namespace.run(() => libc.socket(AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC, 0));
    libc.setSocketOption(this.#fd, SOL_PACKET, PACKET_AUXDATA, 1);
    // struct sockaddr_ll: family, protocol, index.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(type, 2);
    address.writeInt32LE(device, 4);
    const bound = libc.bind(this.#fd, address, address.length);
    if (bound < 0) throw new Error(`bind: ${libc.errorText(-bound)}`);
  }

  send(frame: Uint8Array): void {
    const sent = libc.send(this.#fd, frame, frame.length, 0);
    if (sent < 0) throw new Error(`send: ${libc.errorText(-sent)}`);
  }

  /** The next frame that `wanted` accepts, its outermost VLAN tag put back where the kernel took it from. */
  async receive(wanted: (frame: Buffer) => boolean, what: string): Promise<Buffer> {
    return await waitFor(() => this.pending().find(wanted), { what });
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }

  /** The frames that have come since the last look. */
  pending(): Buffer[] {
    const frames: Buffer[] = [];
    for (;;) {
      const length = this.#receiver.receive(this.#fd, libc.MSG_DONTWAIT);
      if (length < 0) return frames;
      const frame = Buffer.from(this.#receiver.data.subarray(0, length));
      const { control } = this.#receiver;
      // struct cmsghdr is 16 bytes; of struct tpacket_auxdata: status at 0, TCI at 16, TPID at 18.
      const tagged = this.#receiver.controlLength > 0 && control.readUInt32LE(16) & TP_STATUS_VLAN_VALID;
      if (!tagged) frames.push(frame);
      else {
        const tag = Buffer.alloc(4);
        tag.writeUInt16BE(control.readUInt16LE(34), 0);
        tag.writeUInt16BE(control.readUInt16LE(32), 2);
        frames.push(Buffer.concat([frame.subarray(0, 12), tag, frame.subarray(12)]));
      }
    }
  }
}

/** Makes the checksum of an IPv4 header behind an Ethernet header right. */
export const fixChecksum = (frame: Buffer): Buffer => {
  if (frame.readUInt16BE(12) !== 0x0800) return frame;
  frame.writeUInt16BE(0, 24);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, 24);
  return frame;
};

const changed = (frame: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(frame);
  change(copy);
  return fixChecksum(copy);
};

const isIPv4 = (frame: Buffer): boolean => frame.readUInt16BE(12) === 0x0800;

/** Another sender than the peer. */
export const fromElsewhere = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    const last = isIPv4(frame) ? 29 : 37;
    copy[last] = copy[last]! ^ 0x40;
  });

/** The same sender by IP, but another host on the link. */
export const fromAnotherHost = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    copy[11] = copy[11]! ^ 0x40;
  });

/** To another address of the receiver. */
export const toElsewhere = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    const last = isIPv4(frame) ? 33 : 53;
    copy[last] = copy[last]! ^ 0x40;
  });

/** A label that is not the last of its stack. */
export const stackedLabels = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    copy[16] = copy[16]! & 0xfe;
  });

/** Another identifier, which ends at `offset`. */
export const ofAnother = (frame: Buffer, offset: number): Buffer =>
  changed(frame, (copy) => {
    copy[offset] = copy[offset]! ^ 0x10;
  });

/** The first fragment of more. */
export const fragmented = (frame: Buffer): Buffer => {
  if (isIPv4(frame)) return changed(frame, (copy) => copy.writeUInt16BE(0x2000, 20));
  const header = Buffer.from([frame[20]!, 0, 0, 1, 0, 0, 0, 7]);
  const copy = Buffer.concat([frame.subarray(0, 54), header, frame.subarray(54)]);
  copy.writeUInt16BE(frame.readUInt16BE(18) + header.length, 18);
  copy[20] = 44;
  return copy;
};

/** "Congestion experienced" on the outside, of a flow that does not take part in ECN. */
export const congested = (frame: Buffer): Buffer =>
  changed(frame, (copy) => {
    if (isIPv4(frame)) copy[15] = copy[15]! | 3;
    else copy[15] = copy[15]! | 0x30;
  });

/** A file that tshark reads (libpcap, nanoseconds unused). */
export const pcap = (frames: readonly Buffer[]): Buffer => {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_536, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
};
