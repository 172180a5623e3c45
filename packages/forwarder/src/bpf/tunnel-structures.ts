// The structures of bpf/maps.h, written and read.
import { formatIp, formatMac, IpPrefix, parseMac } from '@nsm/netlink';

/** One tunnel as the programs know it. */
export interface TunnelEntry {
  /** Number of the kind in bpf/maps.h. */
  readonly code: number;
  readonly local: string;
  readonly remote: string;
  readonly identifier: number;
  /** UDP destination; 0 without. */
  readonly port: number;
  /** Index of the device towards the other node. */
  readonly uplink: number;
  /** Bytes of the pod's largest IP packet. */
  readonly mtu: number;
  /** Frames go without IP: they are told apart by label alone, not by address. */
  readonly needsLink: boolean;
  /** MAC address of the other node, by which its frames without IP are known; undefined: any will do. */
  readonly sender?: string | undefined;
  /** The pod is in another network namespace than the node. */
  readonly elsewhere: boolean;
}

/** Bytes. */
const size = { outgoing: 48, address: 24, incoming: 36 } as const;

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function versionOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** `struct outgoing`. */
export function outgoingOf({ code, local, remote, identifier, port, uplink, mtu }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.outgoing);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(versionOf(remote), 1);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32LE(identifier, 4);
  bytes.set(IpPrefix.ofAddress(local).bytes, 8);
  bytes.set(IpPrefix.ofAddress(remote).bytes, 24);
  bytes.writeUInt32LE(uplink, 40);
  bytes.writeUInt32LE(mtu, 44);
  return bytes;
}

/** `struct address`. */
export function addressOf({ code, local, identifier, needsLink }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.address);
  if (!needsLink) bytes.set(IpPrefix.ofAddress(local).bytes, 0);
  bytes.writeUInt32LE(identifier, 16);
  bytes.writeUInt8(code, 20);
  bytes.writeUInt8(needsLink ? 0 : versionOf(local), 21);
  return bytes;
}

/** Both forms of `struct address` that may belong to a `struct outgoing`. */
export function addressesOf(outgoing: Buffer): Buffer[] {
  const byAddress = Buffer.alloc(size.address);
  outgoing.copy(byAddress, 0, 8, 24);
  outgoing.copy(byAddress, 16, 4, 8);
  outgoing.copy(byAddress, 20, 0, 2);
  const byLabel = Buffer.alloc(size.address);
  outgoing.copy(byLabel, 16, 4, 8);
  outgoing.copy(byLabel, 20, 0, 1);
  return [byAddress, byLabel];
}

/** `struct incoming`. */
export function incomingOf(nodeEnd: number, { remote, elsewhere, sender, uplink }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.incoming);
  bytes.writeUInt32LE(nodeEnd, 0);
  bytes.set(IpPrefix.ofAddress(remote).bytes, 4);
  bytes.writeUInt32LE(elsewhere ? 1 : 0, 20);
  bytes.writeUInt32LE(uplink, 32);
  if (sender !== undefined) {
    bytes.set(parseMac(sender), 24);
    bytes.writeUInt16LE(1, 30);
  }
  return bytes;
}

/** What was written, read. */
export function entryOf(outgoing: Buffer, incoming: Buffer, needsLink: boolean): TunnelEntry {
  const length = outgoing.readUInt8(1) === 4 ? 4 : 16;
  return {
    code: outgoing.readUInt8(0),
    port: outgoing.readUInt16BE(2),
    identifier: outgoing.readUInt32LE(4),
    local: formatIp(outgoing.subarray(8, 8 + length)),
    remote: formatIp(outgoing.subarray(24, 24 + length)),
    uplink: outgoing.readUInt32LE(40),
    mtu: outgoing.readUInt32LE(44),
    needsLink,
    sender: incoming.readUInt16LE(30) ? formatMac(incoming.subarray(24, 30)) : undefined,
    elsewhere: incoming.readUInt32LE(20) !== 0,
  };
}

/** A `struct address` without identifier: where a tunnel ends. */
export function placeOf(entry: TunnelEntry): Buffer {
  const place = addressOf({ ...entry, identifier: 0 });
  if (entry.needsLink) place.writeUInt32LE(entry.uplink, 0);
  return place;
}
