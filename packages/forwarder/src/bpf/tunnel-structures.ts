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
  /** There are `Sources` for it. */
  readonly checked: boolean;
  /** Frames go without IP: they are told apart by label alone, not by address. */
  readonly needsLink: boolean;
  /** Of frames without IP: the other node's MAC address on the uplink is known. Until then any will do there. */
  readonly senderKnown: boolean;
  /** The pod is in another network namespace than the node. */
  readonly elsewhere: boolean;
}

/** Bytes. */
const size = { outgoing: 48, address: 24, incoming: 32, sender: 28 } as const;

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function versionOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** `struct outgoing`. */
export function outgoingOf({
  code,
  local,
  remote,
  identifier,
  port,
  uplink,
  mtu,
  checked,
}: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.outgoing);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(versionOf(remote), 1);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32LE(identifier, 4);
  bytes.set(IpPrefix.ofAddress(local).bytes, 8);
  bytes.set(IpPrefix.ofAddress(remote).bytes, 24);
  bytes.writeUInt32LE(uplink, 40);
  bytes.writeUInt16LE(mtu, 44);
  bytes.writeUInt16LE(checked ? 1 : 0, 46);
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
export function incomingOf(nodeEnd: number, { remote, elsewhere, senderKnown, uplink }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.incoming);
  bytes.writeUInt32LE(nodeEnd, 0);
  bytes.set(IpPrefix.ofAddress(remote).bytes, 4);
  bytes.writeUInt32LE(elsewhere ? 1 : 0, 20);
  bytes.writeUInt32LE(senderKnown ? 1 : 0, 24);
  bytes.writeUInt32LE(uplink, 28);
  return bytes;
}

/** Another node as its frames without IP show it on a link. */
export interface Sender {
  /** Its underlay address. */
  readonly remote: string;
  /** Index of the device that they come in by. */
  readonly device: number;
  readonly mac: string;
}

/** `struct sender`. */
export function senderOf({ remote, device, mac }: Sender): Buffer {
  const bytes = Buffer.alloc(size.sender);
  bytes.set(IpPrefix.ofAddress(remote).bytes, 0);
  bytes.writeUInt32LE(device, 16);
  bytes.set(parseMac(mac), 20);
  return bytes;
}

/** Reads what `senderOf` wrote; undefined when the sender belongs to another node. */
export function senderIn(bytes: Buffer, remote: string): Sender | undefined {
  const sender = { remote, device: bytes.readUInt32LE(16), mac: formatMac(bytes.subarray(20, 26)) };
  return senderOf(sender).equals(bytes) ? sender : undefined;
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
    mtu: outgoing.readUInt16LE(44),
    checked: outgoing.readUInt16LE(46) !== 0,
    needsLink,
    senderKnown: incoming.readUInt32LE(24) !== 0,
    elsewhere: incoming.readUInt32LE(20) !== 0,
  };
}

/** A `struct address` without identifier: where a tunnel ends. */
export function placeOf(entry: TunnelEntry): Buffer {
  const place = addressOf({ ...entry, identifier: 0 });
  if (entry.needsLink) place.writeUInt32LE(entry.uplink, 0);
  return place;
}
