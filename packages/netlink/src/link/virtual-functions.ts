// SR-IOV virtual functions as their physical function knows them: codec of IFLA_VFINFO_LIST (linux/if_link.h).

import { formatMac, parseMac } from '../address/mac-address.js';
import { DecodeError } from '../decode-error.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import type { Attributes } from '../protocol/attributes.js';
import { attributesOf, type Message } from '../protocol/message.js';
import { IFLA, LINK_HEADER_SIZE } from './link.js';

/** `auto` follows the physical function's own link; the others pretend. */
export type VfLinkState = 'auto' | 'enable' | 'disable';

/** The VLAN tag that the adapter puts on what the virtual function sends and takes off what it receives. */
export interface VfVlan {
  /** 1–4094; 0 for no tag. */
  readonly id: number;
  /** Priority, 0–7. Default 0. */
  readonly qos?: number | undefined;
  /** Default `802.1Q`. */
  readonly protocol?: '802.1Q' | '802.1ad' | undefined;
}

/** What to change about a virtual function; what is left out stays. */
export interface VfChanges {
  /** Number within its physical function, from 0. */
  readonly index: number;
  /** Hardware address that its driver finds when it starts, and that the spoof check holds it to. */
  readonly mac?: string | undefined;
  readonly vlan?: VfVlan | undefined;
  /** Drop what it sends from another hardware address than its own. */
  readonly spoofCheck?: boolean | undefined;
  /** Let its driver change its hardware address and receive promiscuously. */
  readonly trust?: boolean | undefined;
  /** Mbit/s it is sure of and Mbit/s it may not exceed; 0: none. The kernel takes them together. */
  readonly rate?: { readonly min: number; readonly max: number } | undefined;
  readonly linkState?: VfLinkState | undefined;
}

/** A virtual function; what its driver does not tell is undefined. */
export interface VirtualFunction {
  readonly index: number;
  readonly mac: string | undefined;
  readonly vlan: Required<VfVlan> | undefined;
  readonly spoofCheck: boolean | undefined;
  readonly trust: boolean | undefined;
  readonly rate: { readonly min: number; readonly max: number } | undefined;
  readonly linkState: VfLinkState | undefined;
}

const IFLA_VF_INFO = 1;
/** IFLA_VF_ attribute types. */
const VF = {
  mac: 1,
  vlan: 2,
  spoofCheck: 4,
  linkState: 5,
  rate: 6,
  trust: 9,
  vlanList: 12,
} as const;
const IFLA_VF_VLAN_INFO = 1;
/** Room for an address in `struct ifla_vf_mac`; Ethernet takes the first six bytes. */
const MAC_ROOM = 32;
const MAC_SIZE = 6;
const VLAN_PROTOCOL = { '802.1Q': 0x8100, '802.1ad': 0x88a8 } as const;
/** In the order of IFLA_VF_LINK_STATE_. */
const LINK_STATES: readonly VfLinkState[] = ['auto', 'enable', 'disable'];
/** What the kernel says where a driver does not know. */
const UNKNOWN = 0xffff_ffff;

/** A structure whose first member is the number of the virtual function. */
const structure = (writer: AttributeWriter, type: number, ...members: readonly number[]): number => {
  const at = writer.attribute(type, 4 * members.length);
  members.forEach((member, position) => {
    writer.bytes.writeUInt32LE(member, at + 4 * position);
  });
  return at;
};

const encodeVlan = (writer: AttributeWriter, index: number, vlan: VfVlan): void => {
  const { id, qos = 0, protocol = '802.1Q' } = vlan;
  if (!(id >= 0 && id <= 4094 && qos >= 0 && qos <= 7))
    throw new DecodeError(`VLAN ${id} with priority ${qos}: 0–4094 and 0–7`);
  // The older attribute has no protocol, but drivers of every age take it.
  if (protocol === '802.1Q') {
    structure(writer, VF.vlan, index, id, qos);
    return;
  }
  writer.nest(VF.vlanList, () => {
    const at = writer.attribute(IFLA_VF_VLAN_INFO, 16);
    for (const [position, member] of [index, id, qos].entries())
      writer.bytes.writeUInt32LE(member, at + 4 * position);
    writer.bytes.writeUInt16BE(VLAN_PROTOCOL[protocol], at + 12);
  });
};

/** Writes IFLA_VFINFO_LIST of a request that changes a physical function. @throws DecodeError */
export const encodeVfChanges = (writer: AttributeWriter, functions: readonly VfChanges[]): void =>
  writer.nest(IFLA.vfInfoList, () => {
    for (const changes of functions) {
      const { index, mac, vlan, spoofCheck, trust, rate, linkState } = changes;
      writer.nest(IFLA_VF_INFO, () => {
        if (mac !== undefined) {
          const at = writer.attribute(VF.mac, 4 + MAC_ROOM);
          writer.bytes.writeUInt32LE(index, at);
          writer.bytes.set(parseMac(mac), at + 4);
        }
        if (vlan !== undefined) encodeVlan(writer, index, vlan);
        if (rate !== undefined) structure(writer, VF.rate, index, rate.min, rate.max);
        if (spoofCheck !== undefined) structure(writer, VF.spoofCheck, index, Number(spoofCheck));
        if (linkState !== undefined) structure(writer, VF.linkState, index, LINK_STATES.indexOf(linkState));
        if (trust !== undefined) structure(writer, VF.trust, index, Number(trust));
      });
    }
  });

/** The members of such a structure after the number. */
const membersOf = (attributes: Attributes, type: number, count: number): number[] | undefined => {
  const value = attributes.raw(type);
  if (value === undefined) return undefined;
  if (value.length < 4 * (count + 1))
    throw new DecodeError(`attribute ${type} of a virtual function too short`);
  return Array.from({ length: count }, (_, position) => value.readUInt32LE(4 * (position + 1)));
};

const decodeVlan = (attributes: Attributes): Required<VfVlan> | undefined => {
  const list = attributes.nested(VF.vlanList)?.raw(IFLA_VF_VLAN_INFO);
  if (list !== undefined && list.length >= 14) {
    const protocol = list.readUInt16BE(12) === VLAN_PROTOCOL['802.1ad'] ? '802.1ad' : '802.1Q';
    return { id: list.readUInt32LE(4), qos: list.readUInt32LE(8), protocol };
  }
  const [id, qos = 0] = membersOf(attributes, VF.vlan, 2) ?? [];
  return id === undefined ? undefined : { id, qos, protocol: '802.1Q' };
};

const decodeOne = (attributes: Attributes): VirtualFunction => {
  const mac = attributes.raw(VF.mac);
  if (mac === undefined || mac.length < 4 + MAC_SIZE)
    throw new DecodeError('virtual function without address');
  const flag = (type: number): boolean | undefined => {
    const [value = UNKNOWN] = membersOf(attributes, type, 1) ?? [];
    return value === UNKNOWN ? undefined : value !== 0;
  };
  const [min, max] = membersOf(attributes, VF.rate, 2) ?? [];
  const [linkState] = membersOf(attributes, VF.linkState, 1) ?? [];
  return {
    index: mac.readUInt32LE(0),
    mac: formatMac(mac.subarray(4, 4 + MAC_SIZE)),
    vlan: decodeVlan(attributes),
    spoofCheck: flag(VF.spoofCheck),
    trust: flag(VF.trust),
    rate: min === undefined || max === undefined ? undefined : { min, max },
    linkState: linkState === undefined ? undefined : LINK_STATES[linkState],
  };
};

/** Reads the virtual functions in an RTM_NEWLINK of their physical function. @throws DecodeError */
export const decodeVirtualFunctions = (message: Message): VirtualFunction[] => {
  const list = attributesOf(message, LINK_HEADER_SIZE).nested(IFLA.vfInfoList);
  if (list === undefined) return [];
  return [...list].filter(({ type }) => type === IFLA_VF_INFO).map((value) => decodeOne(list.inside(value)));
};
