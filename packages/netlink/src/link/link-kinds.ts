// What is particular to each kind of link: vxlan, bridge, macvlan, vlan (linux/if_link.h).

import { IpPrefix } from '../address/ip-prefix.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import type { Attributes } from '../protocol/attributes.js';

/** Settings of a VXLAN device (RFC 7348). Unset ones keep the kernel's default. */
export interface VxlanOptions {
  /** VXLAN network identifier, 0–16777215. Cannot be changed later. */
  readonly id?: number | undefined;
  /** Source address of the outer packets, IPv4 or IPv6. */
  readonly local?: string | undefined;
  /** Where frames for unknown destinations go: a host, or a multicast group. */
  readonly remote?: string | undefined;
  /** Index of the lower device, in the namespace of the UDP socket; 0 for none. */
  readonly link?: number | undefined;
  /** UDP destination port. The kernel's own default is 8472; 4789 is used here, as RFC 7348 says. */
  readonly port?: number | undefined;
  /** UDP source ports, chosen by flow. */
  readonly sourcePorts?: readonly [low: number, high: number] | undefined;
  /** Learn addresses from received frames. Kernel default true. */
  readonly learning?: boolean | undefined;
  /** Seconds a learned address is kept. */
  readonly ageing?: number | undefined;
  /** Outer TTL: 0 for the route's, 1–255, or `inherit`. */
  readonly ttl?: number | 'inherit' | undefined;
  /** Outer TOS: a number, or `inherit` to copy the inner one. ECN is copied in any case. */
  readonly tos?: number | 'inherit' | undefined;
  /** UDP checksum on an IPv4 underlay. Kernel default false. */
  readonly udpChecksum?: boolean | undefined;
  /** Send without UDP checksum on an IPv6 underlay (RFC 6935). Kernel default false. */
  readonly zeroChecksum6Tx?: boolean | undefined;
  /** Accept packets without UDP checksum on an IPv6 underlay. Kernel default false. */
  readonly zeroChecksum6Rx?: boolean | undefined;
  /** Don't-fragment bit of the outer IPv4 header. */
  readonly df?: 'unset' | 'set' | 'inherit' | undefined;
  /** Take the tunnel's key from each packet's metadata (tc, eBPF) instead of the device. */
  readonly external?: boolean | undefined;
}

/** Settings of a bridge. Unset ones keep the kernel's default. */
export interface BridgeOptions {
  readonly stp?: boolean | undefined;
  readonly vlanFiltering?: boolean | undefined;
  /** Seconds an address is remembered without traffic. */
  readonly ageing?: number | undefined;
  /** Seconds in the listening and learning states; 0 is possible without STP. */
  readonly forwardDelay?: number | undefined;
  readonly multicastSnooping?: boolean | undefined;
}

/** How macvlan devices of one lower device see each other. */
export type MacvlanMode = 'private' | 'vepa' | 'bridge' | 'passthru';

/** What a link of a known kind is set to. */
export type LinkData =
  | ({ readonly kind: 'vxlan' } & VxlanOptions)
  | ({ readonly kind: 'bridge' } & BridgeOptions)
  | { readonly kind: 'macvlan'; readonly mode: MacvlanMode | undefined }
  | { readonly kind: 'vlan'; readonly id: number; readonly protocol: '802.1Q' | '802.1ad' };

const VXLAN = {
  id: 1,
  group: 2,
  link: 3,
  local: 4,
  ttl: 5,
  tos: 6,
  learning: 7,
  ageing: 8,
  portRange: 10,
  port: 15,
  group6: 16,
  local6: 17,
  udpChecksum: 18,
  zeroChecksum6Tx: 19,
  zeroChecksum6Rx: 20,
  collectMetadata: 25,
  ttlInherit: 28,
  df: 29,
} as const;
const DF = ['unset', 'set', 'inherit'] as const;
const TOS_INHERIT = 1;

const BRIDGE = { forwardDelay: 1, ageing: 4, stp: 5, vlanFiltering: 7, multicastSnooping: 23 } as const;
// The bridge counts in clock ticks as user space sees them: 1/100 s on every architecture.
const TICKS_PER_SECOND = 100;

const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const ETHERTYPE_8021Q = 0x8100;
const ETHERTYPE_8021AD = 0x88a8;

const flag = (writer: AttributeWriter, type: number, value: boolean | undefined): void => {
  if (value !== undefined) writer.u8(type, value ? 1 : 0);
};

const address = (writer: AttributeWriter, v4: number, v6: number, text: string | undefined): void => {
  if (text === undefined) return;
  const { version, bytes } = IpPrefix.ofAddress(text);
  writer.raw(version === 4 ? v4 : v6, bytes);
};

/** Writes the contents of IFLA_INFO_DATA for a vxlan device. @throws DecodeError */
export const encodeVxlan = (writer: AttributeWriter, options: VxlanOptions): void => {
  if (options.id !== undefined) writer.u32(VXLAN.id, options.id);
  address(writer, VXLAN.local, VXLAN.local6, options.local);
  address(writer, VXLAN.group, VXLAN.group6, options.remote);
  if (options.link !== undefined) writer.u32(VXLAN.link, options.link);
  if (options.port !== undefined) writer.be16(VXLAN.port, options.port);
  if (options.sourcePorts !== undefined) {
    const at = writer.attribute(VXLAN.portRange, 4);
    writer.bytes.writeUInt16BE(options.sourcePorts[0], at);
    writer.bytes.writeUInt16BE(options.sourcePorts[1], at + 2);
  }
  flag(writer, VXLAN.learning, options.learning);
  if (options.ageing !== undefined) writer.u32(VXLAN.ageing, options.ageing);
  if (options.ttl === 'inherit') writer.flag(VXLAN.ttlInherit);
  else if (options.ttl !== undefined) writer.u8(VXLAN.ttl, options.ttl);
  if (options.tos !== undefined) writer.u8(VXLAN.tos, options.tos === 'inherit' ? TOS_INHERIT : options.tos);
  flag(writer, VXLAN.udpChecksum, options.udpChecksum);
  flag(writer, VXLAN.zeroChecksum6Tx, options.zeroChecksum6Tx);
  flag(writer, VXLAN.zeroChecksum6Rx, options.zeroChecksum6Rx);
  if (options.df !== undefined) writer.u8(VXLAN.df, DF.indexOf(options.df));
  flag(writer, VXLAN.collectMetadata, options.external);
};

/** Writes the contents of IFLA_INFO_DATA for a bridge. */
export const encodeBridge = (writer: AttributeWriter, options: BridgeOptions): void => {
  if (options.stp !== undefined) writer.u32(BRIDGE.stp, options.stp ? 1 : 0);
  flag(writer, BRIDGE.vlanFiltering, options.vlanFiltering);
  if (options.ageing !== undefined) writer.u32(BRIDGE.ageing, Math.round(options.ageing * TICKS_PER_SECOND));
  if (options.forwardDelay !== undefined)
    writer.u32(BRIDGE.forwardDelay, Math.round(options.forwardDelay * TICKS_PER_SECOND));
  flag(writer, BRIDGE.multicastSnooping, options.multicastSnooping);
};

/** Writes the contents of IFLA_INFO_DATA for a macvlan device. */
export const encodeMacvlan = (writer: AttributeWriter, mode: MacvlanMode): void =>
  writer.u32(1, MACVLAN_MODES[mode]);

/** Writes the contents of IFLA_INFO_DATA for a VLAN device. `id` 0–4094. */
export const encodeVlan = (writer: AttributeWriter, id: number, protocol: '802.1Q' | '802.1ad'): void => {
  writer.u16(1, id);
  writer.be16(5, protocol === '802.1ad' ? ETHERTYPE_8021AD : ETHERTYPE_8021Q);
};

// Leaves out what is undefined, so that a decoded value can be written back under exactOptionalPropertyTypes.
const defined = <T extends object>(value: { [K in keyof T]: T[K] | undefined }): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;

const isSet = (data: Attributes, type: number): boolean | undefined => {
  const value = data.u8(type);
  return value === undefined ? undefined : value !== 0;
};

// Told as a byte, set as a flag.
const inheritsTtl = (data: Attributes): boolean => {
  const value = data.find(VXLAN.ttlInherit);
  return value !== undefined && (value.start === value.end || data.u8(VXLAN.ttlInherit) !== 0);
};

const seconds = (ticks: number | undefined): number | undefined =>
  ticks === undefined ? undefined : ticks / TICKS_PER_SECOND;

const decodeVxlan = (data: Attributes): LinkData => {
  const tos = data.u8(VXLAN.tos);
  const range = data.raw(VXLAN.portRange);
  return {
    kind: 'vxlan',
    ...defined<VxlanOptions>({
      id: data.u32(VXLAN.id),
      local: data.ip(VXLAN.local) ?? data.ip(VXLAN.local6),
      remote: data.ip(VXLAN.group) ?? data.ip(VXLAN.group6),
      link: data.u32(VXLAN.link),
      port: data.be16(VXLAN.port),
      sourcePorts:
        range === undefined || range.length < 4 ? undefined : [range.readUInt16BE(0), range.readUInt16BE(2)],
      learning: isSet(data, VXLAN.learning),
      ageing: data.u32(VXLAN.ageing),
      ttl: inheritsTtl(data) ? 'inherit' : data.u8(VXLAN.ttl),
      tos: tos === TOS_INHERIT ? 'inherit' : tos,
      udpChecksum: isSet(data, VXLAN.udpChecksum),
      zeroChecksum6Tx: isSet(data, VXLAN.zeroChecksum6Tx),
      zeroChecksum6Rx: isSet(data, VXLAN.zeroChecksum6Rx),
      df: DF[data.u8(VXLAN.df) ?? -1],
      external: isSet(data, VXLAN.collectMetadata),
    }),
  };
};

const decodeBridge = (data: Attributes): LinkData => {
  const stp = data.u32(BRIDGE.stp);
  return {
    kind: 'bridge',
    ...defined<BridgeOptions>({
      stp: stp === undefined ? undefined : stp !== 0,
      vlanFiltering: isSet(data, BRIDGE.vlanFiltering),
      ageing: seconds(data.u32(BRIDGE.ageing)),
      forwardDelay: seconds(data.u32(BRIDGE.forwardDelay)),
      multicastSnooping: isSet(data, BRIDGE.multicastSnooping),
    }),
  };
};

/** Reads IFLA_INFO_DATA; undefined for kinds not known here. @throws DecodeError */
export const decodeLinkData = (kind: string | undefined, data: Attributes): LinkData | undefined => {
  switch (kind) {
    case 'vxlan':
      return decodeVxlan(data);
    case 'bridge':
      return decodeBridge(data);
    case 'macvlan': {
      const value = data.u32(1);
      const mode = (Object.keys(MACVLAN_MODES) as MacvlanMode[]).find(
        (name) => MACVLAN_MODES[name] === value,
      );
      return { kind: 'macvlan', mode };
    }
    case 'vlan':
      return {
        kind: 'vlan',
        id: data.u16(1) ?? 0,
        protocol: data.be16(5) === ETHERTYPE_8021AD ? '802.1ad' : '802.1Q',
      };
    default:
      return undefined;
  }
};
