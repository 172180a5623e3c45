// Neighbours (ARP, NDP) and bridge forwarding entries: codec (linux/neighbour.h).

import { IpPrefix } from '../address/ip-prefix.js';
import { AF_BRIDGE, AF_INET, AF_INET6 } from '../libc/libc.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { attributesOf, type Message } from '../protocol/message.js';
import type { Family } from '../protocol/route-names.js';

const STATES = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const;

/** Neighbour unreachability detection, RFC 4861 §7.3.2; `permanent` is never checked. */
export type NeighbourState = keyof typeof STATES;

/** NTF_ flags. */
export const NEIGHBOUR_FLAGS = {
  use: 0x01,
  self: 0x02,
  master: 0x04,
  proxy: 0x08,
  externallyLearned: 0x10,
  offloaded: 0x20,
  sticky: 0x40,
  router: 0x80,
} as const;
const NTF_EXT_MANAGED = 1;

/**
 * - `use`: as if a packet had just been sent there, so the kernel resolves it;
 * - `managed`: the kernel keeps it resolved;
 * - `externallyLearned`: put there by a control plane: not forgotten when unused;
 * - `proxy`: answer for it;
 * - `self`, `master`: on the device itself, on its bridge (forwarding entries);
 * - `sticky`: a forwarding entry does not move to another port.
 */
export type NeighbourFlag = keyof typeof NEIGHBOUR_FLAGS | 'managed';

/** A neighbour to add. */
export interface NeighbourSpec {
  readonly address: string;
  /** Index of the link. */
  readonly device: number;
  /** Hardware address; left out to let the kernel find it (`use`, `managed`) or for a proxy entry. */
  readonly mac?: string | undefined;
  /** Default `permanent` with a hardware address, else `none`. */
  readonly state?: NeighbourState | undefined;
  readonly flags?: readonly NeighbourFlag[] | undefined;
}

/** A forwarding entry of a bridge port or of a vxlan device. */
export interface ForwardingSpec {
  readonly mac: string;
  /** Index of the bridge port or vxlan device. */
  readonly device: number;
  /** vxlan: the tunnel's other end. */
  readonly destination?: string | undefined;
  /** vxlan: UDP port of the other end, if not the device's. */
  readonly port?: number | undefined;
  /** vxlan: network identifier to use, if not the device's. */
  readonly vni?: number | undefined;
  readonly vlan?: number | undefined;
  /** Default `permanent`; `reachable` ages, `noarp` does not move. */
  readonly state?: NeighbourState | undefined;
  /** Default `self`; for a bridge's own table `master`. */
  readonly flags?: readonly NeighbourFlag[] | undefined;
}

/** A neighbour or forwarding entry of the kernel. */
export interface Neighbour {
  readonly family: Family | 'bridge';
  readonly device: number;
  /** Forwarding entries: the tunnel's other end, if any. */
  readonly address: string | undefined;
  readonly mac: string | undefined;
  readonly state: NeighbourState;
  readonly flags: readonly NeighbourFlag[];
  /** Forwarding entries: index of the bridge. */
  readonly master: number | undefined;
  readonly vlan: number | undefined;
  readonly port: number | undefined;
  readonly vni: number | undefined;
}

/** Which neighbours or forwarding entries to list. */
export interface NeighbourFilter {
  /** Index of the link. */
  readonly device?: number | undefined;
  readonly family?: Family | undefined;
  /** List proxy entries instead. Default false. */
  readonly proxy?: boolean | undefined;
}

export const NEIGHBOUR_HEADER_SIZE = 12;
/** NDA_ attribute types. */
export const NDA = {
  destination: 1,
  mac: 2,
  vlan: 5,
  port: 6,
  vni: 7,
  ifindex: 8,
  master: 9,
  flagsExtended: 15,
} as const;

/** Writes `struct ndmsg`, and the flags that do not fit it. */
export const encodeNeighbourHeader = (
  writer: AttributeWriter,
  family: number,
  device: number,
  state: NeighbourState,
  flags: readonly NeighbourFlag[],
): void => {
  const at = writer.reserve(NEIGHBOUR_HEADER_SIZE);
  let bits = 0;
  for (const flag of flags) if (flag !== 'managed') bits |= NEIGHBOUR_FLAGS[flag];
  writer.bytes.writeUInt8(family, at);
  writer.bytes.writeInt32LE(device, at + 4);
  writer.bytes.writeUInt16LE(STATES[state], at + 8);
  writer.bytes.writeUInt8(bits, at + 10);
  if (flags.includes('managed')) writer.u32(NDA.flagsExtended, NTF_EXT_MANAGED);
};

/** Writes the body of RTM_NEWNEIGH and RTM_DELNEIGH for a neighbour. @throws DecodeError */
export const encodeNeighbour = (writer: AttributeWriter, spec: NeighbourSpec): void => {
  const { family, bytes } = IpPrefix.ofAddress(spec.address);
  const state = spec.state ?? (spec.mac === undefined ? 'none' : 'permanent');
  encodeNeighbourHeader(writer, family, spec.device, state, spec.flags ?? []);
  writer.raw(NDA.destination, bytes);
  if (spec.mac !== undefined) writer.mac(NDA.mac, spec.mac);
};

/** Writes the body of RTM_NEWNEIGH and RTM_DELNEIGH for a forwarding entry. @throws DecodeError */
export const encodeForwarding = (writer: AttributeWriter, spec: ForwardingSpec): void => {
  encodeNeighbourHeader(writer, AF_BRIDGE, spec.device, spec.state ?? 'permanent', spec.flags ?? ['self']);
  writer.mac(NDA.mac, spec.mac);
  if (spec.destination !== undefined) writer.ip(NDA.destination, spec.destination);
  if (spec.port !== undefined) writer.be16(NDA.port, spec.port);
  if (spec.vni !== undefined) writer.u32(NDA.vni, spec.vni);
  if (spec.vlan !== undefined) writer.u16(NDA.vlan, spec.vlan);
};

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH. @throws DecodeError */
export const decodeNeighbour = (message: Message): Neighbour => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, NEIGHBOUR_HEADER_SIZE);
  const family = bytes.readUInt8(start);
  const state = bytes.readUInt16LE(start + 8);
  const bits = bytes.readUInt8(start + 10);
  const flags: NeighbourFlag[] = (Object.keys(NEIGHBOUR_FLAGS) as (keyof typeof NEIGHBOUR_FLAGS)[]).filter(
    (flag) => (bits & NEIGHBOUR_FLAGS[flag]) !== 0,
  );
  if (((attributes.u32(NDA.flagsExtended) ?? 0) & NTF_EXT_MANAGED) !== 0) flags.push('managed');
  return {
    family: family === AF_INET ? 'ipv4' : family === AF_INET6 ? 'ipv6' : 'bridge',
    device: bytes.readInt32LE(start + 4),
    address: attributes.ip(NDA.destination),
    mac: attributes.mac(NDA.mac),
    state: (Object.keys(STATES) as NeighbourState[]).find((name) => STATES[name] === state) ?? 'none',
    flags,
    master: attributes.u32(NDA.master),
    vlan: attributes.u16(NDA.vlan),
    port: attributes.be16(NDA.port),
    vni: attributes.u32(NDA.vni),
  };
};
