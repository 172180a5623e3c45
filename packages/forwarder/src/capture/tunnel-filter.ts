// A program of classic BPF that passes the packets of one tunnel, in both directions, as they are on the underlay.
import { type forwarder as fw, NsmError, TunnelType } from '@nsm/api';
import {
  encodeFilter,
  type FilterInstruction,
  filterInstructionSize,
  IpPrefix,
  parseMac,
} from '@nsm/netlink';
import { tunnelKinds } from '../tunnels/kinds.js';

// BPF_LD|BPF_W|BPF_ABS and so on, linux/bpf_common.h.
const loadWord = 0x20;
const loadHalf = 0x28;
const loadByte = 0x30;
const loadWordFromHeader = 0x40;
const loadHalfFromHeader = 0x48;
const headerOfIpv4 = 0xb1;
const headerOf = 0x01;
const shiftRight = 0x74;
const jump = 0x05;
const ifEqual = 0x15;
const give = 0x06;

// The parts of a code: BPF_CLASS, of which BPF_LD and BPF_LDX come first, and BPF_MODE, of which BPF_ABS, BPF_IND and BPF_MSH read.
const instructionClass = 0x07;
const loadIndexClass = 0x01;
const addressMode = 0xe0;
const packetModes = [0x20, 0x40, 0xa0];
/** From here on it is no place in the packet: SKF_AD_OFF, SKF_NET_OFF and SKF_LL_OFF. */
const ancillary = 0xffe0_0000;

const etherType = { ipv4: 0x0800, ipv6: 0x86dd, mpls: 0x8847 } as const;
const protocol = { udp: 17, gre: 47 } as const;
const greWithKey = 0x2000_6558;
/** Bytes of Ethernet, after which IP and MPLS begin. */
const ethernet = 14;

const everyPacket = encodeFilter([[give, 0, 0, 0xffff_ffff]]);

/** What is loaded must be equal to a value; without a value something is only loaded. */
type Condition = { readonly load: readonly FilterInstruction[]; readonly equals?: number };

const load = (code: number, at: number, equals?: number): Condition => ({
  load: [[code, 0, 0, at]],
  ...(equals === undefined ? {} : { equals }),
});
const shifted = (code: number, at: number, bits: number, equals: number): Condition => ({
  load: [
    [code, 0, 0, at],
    [shiftRight, 0, 0, bits],
  ],
  equals,
});

/**
 * @param mac the other node's, where the kind has no IP addresses; undefined: any.
 * @param more what the pod's packets inside have to pass as well, which begin with their own Ethernet header; empty: nothing.
 */
export function tunnelFilter(tunnel: fw.TunnelEnd, mac: string | undefined, more: Uint8Array): Buffer {
  const ways =
    tunnel.type === TunnelType.MPLSoEthernet
      ? onEthernet(tunnel.identifier, mac)
      : [onIp(tunnel, tunnel.local, tunnel.remote), onIp(tunnel, tunnel.remote, tunnel.local)];
  const bodies = ways.map(instructionsOf);
  // Each way ends with a jump to what follows the refusal at the end.
  const size = bodies.reduce((sum, body) => sum + body.length + 1, 0);
  let at = 0;
  const program = bodies.flatMap((body): FilterInstruction[] => {
    at += body.length + 1;
    return [...body, [jump, 0, 0, size - at + 1]];
  });
  const refuse: FilterInstruction = [give, 0, 0, 0];
  const tail = more.length > 0 ? movedBy(innerOffset(tunnel), more) : everyPacket;
  return Buffer.concat([encodeFilter([...program, refuse]), tail]);
}

/** Bytes from the outer Ethernet header to the inner one: what the outer headers take, and the inner header is counted among them. */
function innerOffset({ type, local }: fw.TunnelEnd): number {
  const version = IpPrefix.ofAddress(local).version;
  return tunnelKinds.find((kind) => kind.type === type)?.overhead[version] ?? 0;
}

/** What a program reads of a packet it reads so many bytes further on. */
function movedBy(offset: number, program: Uint8Array): Buffer {
  const moved = Buffer.from(program);
  for (let at = 0; at + filterInstructionSize <= moved.length; at += filterInstructionSize) {
    const code = moved.readUInt16LE(at);
    const operand = moved.readUInt32LE(at + 4);
    const reads = (code & instructionClass) <= loadIndexClass && packetModes.includes(code & addressMode);
    if (reads && operand < ancillary) moved.writeUInt32LE(operand + offset, at + 4);
  }
  return moved;
}

/** A condition that fails leads past the jump behind the last one. */
function instructionsOf(conditions: readonly Condition[]): FilterInstruction[] {
  const sizes = conditions.map(({ load, equals }) => load.length + (equals === undefined ? 0 : 1));
  let left = sizes.reduce((sum, size) => sum + size, 0);
  return conditions.flatMap(({ load, equals }, index): FilterInstruction[] => {
    left -= sizes[index] ?? 0;
    return equals === undefined ? [...load] : [...load, [ifEqual, 0, left + 1, equals]];
  });
}

function onIp(tunnel: fw.TunnelEnd, from: string, to: string): Condition[] {
  const [source, destination] = [IpPrefix.ofAddress(from), IpPrefix.ofAddress(to)];
  const words = ({ bytes }: IpPrefix, at: number): Condition[] =>
    Array.from({ length: bytes.length / 4 }, (_, word) =>
      load(loadWord, at + 4 * word, Buffer.from(bytes).readUInt32BE(4 * word)),
    );
  const { carrier, header } = carriedBy(tunnel);
  if (source.version === 4)
    return [
      load(loadHalf, 12, etherType.ipv4),
      load(loadByte, ethernet + 9, carrier),
      ...words(source, ethernet + 12),
      ...words(destination, ethernet + 16),
      load(headerOfIpv4, ethernet),
      ...header,
    ];
  return [
    load(loadHalf, 12, etherType.ipv6),
    load(loadByte, ethernet + 6, carrier),
    ...words(source, ethernet + 8),
    ...words(destination, ethernet + 24),
    load(headerOf, 40),
    ...header,
  ];
}

/** What stands behind the header of IP. */
function carriedBy({ type, identifier, port }: fw.TunnelEnd): {
  readonly carrier: number;
  readonly header: readonly Condition[];
} {
  const udp = 8;
  const registered = tunnelKinds.find((kind) => kind.type === type)?.port ?? 0;
  const toPort = load(loadHalfFromHeader, ethernet + 2, port || registered);
  switch (type) {
    case TunnelType.VXLAN:
    case TunnelType.VXLAN_GRE: {
      const vni = shifted(loadWordFromHeader, ethernet + udp + 4, 8, identifier);
      return { carrier: protocol.udp, header: [toPort, vni] };
    }
    case TunnelType.MPLSoUDP: {
      const label = shifted(loadWordFromHeader, ethernet + udp, 12, identifier);
      return { carrier: protocol.udp, header: [toPort, label] };
    }
    case TunnelType.MPLSoGRE: {
      const flags = load(loadWordFromHeader, ethernet, etherType.mpls);
      const label = shifted(loadWordFromHeader, ethernet + 4, 12, identifier);
      return { carrier: protocol.gre, header: [flags, label] };
    }
    case TunnelType.GRE: {
      const flags = load(loadWordFromHeader, ethernet, greWithKey);
      const key = load(loadWordFromHeader, ethernet + 4, identifier);
      return { carrier: protocol.gre, header: [flags, key] };
    }
    default:
      throw new NsmError('invalid', `no tunnel of type ${type}`);
  }
}

function onEthernet(label: number, mac: string | undefined): Condition[][] {
  const labelled = [load(loadHalf, 12, etherType.mpls), shifted(loadWord, ethernet, 12, label)];
  if (mac === undefined) return [labelled];
  const bytes = Buffer.from(parseMac(mac));
  return [0, 6].map((at) => [
    ...labelled,
    load(loadWord, at, bytes.readUInt32BE(0)),
    load(loadHalf, at + 4, bytes.readUInt16BE(4)),
  ]);
}

/** SKF_AD_OFF + SKF_AD_MARK: the mark of the packet. */
const markOf = 0xffff_f014;
/** Of bpf/wrap.h: frames of the node's end that have tunnel headers, and come by a second time. */
const secondTime = [0x6e73_6d01, 0x6e73_6d03];

/** A program that passes what the pod sends and is sent, and no frame a second time. */
export function nodeFilter(more: Uint8Array): Buffer {
  const [wrapped = 0, arrived = 0] = secondTime;
  const program: FilterInstruction[] = [
    [loadWord, 0, 0, markOf],
    [ifEqual, 1, 0, wrapped],
    [ifEqual, 0, 1, arrived],
    [give, 0, 0, 0],
  ];
  const tail = more.length > 0 ? more : everyPacket;
  return Buffer.concat([encodeFilter(program), tail]);
}
