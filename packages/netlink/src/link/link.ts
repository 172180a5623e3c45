// What a link is: decoding RTM_NEWLINK (linux/if_link.h).

import { DecodeError } from '../decode-error.js';
import { type Attributes, readU64, textOf } from '../protocol/attributes.js';
import { attributesOf, type Message } from '../protocol/message.js';
import { decodeLinkData, type LinkData } from './link-kinds.js';

/** Counters since the link was made; exact up to 2^53. */
export interface LinkStatistics {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rxErrors: number;
  readonly txErrors: number;
  readonly rxDropped: number;
  readonly txDropped: number;
  readonly multicast: number;
  readonly collisions: number;
}

const OPERATIONAL_STATES = [
  'unknown',
  'not-present',
  'down',
  'lower-layer-down',
  'testing',
  'dormant',
  'up',
] as const;

/** RFC 2863 §3.1.14. */
export type OperationalState = (typeof OPERATIONAL_STATES)[number];

/** A network device as the kernel describes it. */
export interface Link {
  /** Unique within its namespace only. */
  readonly index: number;
  readonly name: string;
  readonly altNames: readonly string[];
  /** `veth`, `vxlan`, `bridge` …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** Settings, for the kinds known here. */
  readonly data: LinkData | undefined;
  /** Undefined for devices without hardware address. */
  readonly mac: string | undefined;
  /** The address burnt into the hardware; undefined for devices made of software. */
  readonly permanentMac: string | undefined;
  /** Bytes. */
  readonly mtu: number;
  /** Switched on by the administrator (IFF_UP). */
  readonly up: boolean;
  /** There is a signal, a peer, a lower device that is up (IFF_LOWER_UP). */
  readonly lowerUp: boolean;
  readonly operstate: OperationalState;
  readonly alias: string | undefined;
  readonly group: number;
  /** Index of the bridge, bond or VRF it belongs to. */
  readonly master: number | undefined;
  /** Index of the lower device or the veth peer, in the namespace {@link linkNamespaceId}. */
  readonly linkIndex: number | undefined;
  /** Id of the namespace of {@link linkIndex}, as this namespace knows it; undefined for the same namespace. −1: not known here. */
  readonly linkNamespaceId: number | undefined;
  /** Raw IFF_ flags (linux/if.h). */
  readonly flags: number;
  /** ARPHRD_ type (linux/if_arp.h): 1 Ethernet, 772 loopback, 65534 none. */
  readonly hardwareType: number;
  readonly txQueueLength: number;
  readonly numTxQueues: number;
  readonly numRxQueues: number;
  /** Undefined in events of links that are gone. */
  readonly statistics: LinkStatistics | undefined;
}

/** Size of `struct ifinfomsg`. */
export const LINK_HEADER_SIZE = 16;
export const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;

/** IFLA_ attribute types. */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  txQueueLength: 13,
  operstate: 16,
  linkInfo: 18,
  alias: 20,
  vfInfoList: 22,
  statistics64: 23,
  familySpec: 26,
  group: 27,
  namespaceFd: 28,
  extensionMask: 29,
  numTxQueues: 31,
  numRxQueues: 32,
  linkNamespaceId: 37,
  propertyList: 52,
  altName: 53,
  permanentAddress: 54,
} as const;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;

const decodeStatistics = (attributes: Attributes): LinkStatistics | undefined => {
  const value = attributes.find(IFLA.statistics64);
  if (value === undefined) return undefined;
  if (value.end - value.start < 80) throw new DecodeError('link statistics too short');
  const at = (index: number): number => readU64(attributes.bytes, value.start + index * 8);
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    rxErrors: at(4),
    txErrors: at(5),
    rxDropped: at(6),
    txDropped: at(7),
    multicast: at(8),
    collisions: at(9),
  };
};

const decodeAltNames = (attributes: Attributes): string[] => {
  const list = attributes.nested(IFLA.propertyList);
  if (list === undefined) return [];
  return [...list].filter(({ type }) => type === IFLA.altName).map((value) => textOf(list.bytes, value));
};

/** Reads RTM_NEWLINK or RTM_DELLINK. @throws DecodeError */
export const decodeLink = (message: Message): Link => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, LINK_HEADER_SIZE);
  const flags = bytes.readUInt32LE(start + 8);
  const info = attributes.nested(IFLA.linkInfo);
  const kind = info?.string(IFLA_INFO_KIND);
  const data = info?.nested(IFLA_INFO_DATA);
  return {
    index: bytes.readInt32LE(start + 4),
    name: attributes.string(IFLA.name) ?? '',
    altNames: decodeAltNames(attributes),
    kind,
    data: data === undefined ? undefined : decodeLinkData(kind, data),
    mac: attributes.mac(IFLA.address),
    permanentMac: attributes.mac(IFLA.permanentAddress),
    mtu: attributes.u32(IFLA.mtu) ?? 0,
    up: (flags & IFF_UP) !== 0,
    lowerUp: (flags & IFF_LOWER_UP) !== 0,
    operstate: OPERATIONAL_STATES[attributes.u8(IFLA.operstate) ?? 0] ?? 'unknown',
    alias: attributes.string(IFLA.alias),
    group: attributes.u32(IFLA.group) ?? 0,
    master: attributes.u32(IFLA.master),
    linkIndex: attributes.u32(IFLA.link),
    linkNamespaceId: attributes.s32(IFLA.linkNamespaceId),
    flags,
    hardwareType: bytes.readUInt16LE(start + 2),
    txQueueLength: attributes.u32(IFLA.txQueueLength) ?? 0,
    numTxQueues: attributes.u32(IFLA.numTxQueues) ?? 1,
    numRxQueues: attributes.u32(IFLA.numRxQueues) ?? 1,
    statistics: decodeStatistics(attributes),
  };
};
