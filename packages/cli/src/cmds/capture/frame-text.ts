// A packet in a few words. Who wants to know more has Wireshark.
import { TunnelType, tunnelName } from '@nsm/api';
import { formatIp } from '@nsm/netlink';

const ethernet = 14;
const etherTypes: Readonly<Record<number, string>> = { 34887: 'MPLS', 35020: 'LLDP' };
const tagTypes = [0x8100, 0x88a8];
const protocols: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  47: 'GRE',
  58: 'ICMPv6',
  132: 'SCTP',
};
const withPorts = ['TCP', 'UDP', 'SCTP'];
const icmpTypes: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  ICMP: { 0: 'echo reply', 3: 'unreachable', 8: 'echo request', 11: 'time exceeded' },
  ICMPv6: {
    1: 'unreachable',
    2: 'too big',
    3: 'time exceeded',
    128: 'echo request',
    129: 'echo reply',
    133: 'router solicitation',
    134: 'router advertisement',
    135: 'neighbour solicitation',
    136: 'neighbour advertisement',
  },
};

/** Bytes of a tunnel between the IP header, or the Ethernet header where there is none, and the frame that it carries. */
const tunnelHeaders: Readonly<Partial<Record<TunnelType, number>>> = {
  [TunnelType.VXLAN]: 16,
  [TunnelType.VXLAN_GRE]: 16,
  [TunnelType.GRE]: 8,
  [TunnelType.MPLSoGRE]: 8,
  [TunnelType.MPLSoUDP]: 12,
  [TunnelType.MPLSoEthernet]: 4,
};

export interface CarryingTunnel {
  readonly type: TunnelType;
  readonly identifier: number;
}

/** @param data of a frame of a tunnel, perhaps not all of it: what it is outside, and what it carries. */
export function tunnelFrameText(data: Uint8Array, { type, identifier }: CarryingTunnel): string {
  const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const outside = frameText(frame);
  try {
    const start = payloadOf(frame);
    const inside = frame.subarray(start.at + ipHeaderBytes(frame, start) + (tunnelHeaders[type] ?? 0));
    return `${outside}, ${tunnelName(type)} ${identifier}: ${frameText(inside)}`;
  } catch {
    return outside;
  }
}

/** What follows the Ethernet header and its VLAN tags. @throws RangeError where the frame is cut short */
function payloadOf(frame: Buffer): { readonly type: number; readonly at: number } {
  let at = ethernet;
  let type = frame.readUInt16BE(at - 2);
  while (tagTypes.includes(type)) {
    at += 4;
    type = frame.readUInt16BE(at - 2);
  }
  return { type, at };
}

function ipHeaderBytes(frame: Buffer, { type, at }: ReturnType<typeof payloadOf>): number {
  if (type === 0x0800) return ipv4HeaderBytes(frame.subarray(at));
  return type === 0x86dd ? ipv6HeaderBytes : 0;
}

/** @param data of a frame, perhaps not all of it. */
export function frameText(data: Uint8Array): string {
  const frame = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  try {
    const { type, at } = payloadOf(frame);
    if (type === 0x0800) return ipv4Text(frame.subarray(at));
    if (type === 0x86dd) return ipv6Text(frame.subarray(at));
    if (type === 0x0806) return arpText(frame.subarray(at));
    return etherTypes[type] ?? `EtherType 0x${type.toString(16).padStart(4, '0')}`;
  } catch {
    return 'cut short';
  }
}

const ipv6HeaderBytes = 40;

function ipv4HeaderBytes(packet: Buffer): number {
  return (packet.readUInt8(0) & 0x0f) * 4;
}

function ipv4Text(packet: Buffer): string {
  const header = ipv4HeaderBytes(packet);
  const isFirst = (packet.readUInt16BE(6) & 0x1fff) === 0;
  const ends = [formatIp(packet.subarray(12, 16)), formatIp(packet.subarray(16, 20))] as const;
  return carriedText(packet.readUInt8(9), ends, isFirst ? packet.subarray(header) : undefined);
}

function ipv6Text(packet: Buffer): string {
  const ends = [formatIp(packet.subarray(8, 24)), formatIp(packet.subarray(24, 40))] as const;
  return carriedText(packet.readUInt8(6), ends, packet.subarray(ipv6HeaderBytes));
}

/** @param payload undefined in a fragment that has no header of its protocol. */
function carriedText(
  protocol: number,
  [from, to]: readonly [string, string],
  payload: Buffer | undefined,
): string {
  const name = protocols[protocol] ?? `protocol ${protocol}`;
  if (!payload) return `${from} > ${to} ${name} fragment`;
  if (withPorts.includes(name) && payload.length >= 4)
    return `${from}:${payload.readUInt16BE(0)} > ${to}:${payload.readUInt16BE(2)} ${name}`;
  const icmp = icmpTypes[name]?.[payload[0] ?? -1];
  return `${from} > ${to} ${name}${icmp ? ` ${icmp}` : ''}`;
}

function arpText(packet: Buffer): string {
  const [sender, target] = [formatIp(packet.subarray(14, 18)), formatIp(packet.subarray(24, 28))];
  return packet.readUInt16BE(6) === 1 ? `ARP who has ${target}, asks ${sender}` : `ARP ${sender} is here`;
}
