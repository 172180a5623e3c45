// Addresses of links: codec and operations (linux/if_addr.h).

import { formatIp, IpPrefix } from '../address/ip-prefix.js';
import { AF_INET } from '../libc/libc.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { attributesOf, type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR } from '../protocol/route-messages.js';
import {
  type Family,
  familyName,
  familyNumber,
  type Scope,
  scopeName,
  scopeNumber,
} from '../protocol/route-names.js';

/** An address to give to a link. */
export interface AddressSpec {
  /** With prefix length, `10.0.0.1/31`; without one it is a host address (/32, /128). */
  readonly address: string;
  /** The other end of a point-to-point link; its prefix is the one the route to it is made of. */
  readonly peer?: string | undefined;
  /** IPv6: usable at once, without 1–3 s of duplicate address detection. Default false. */
  readonly nodad?: boolean | undefined;
  /** Make no route to the prefix. Default false. */
  readonly noPrefixRoute?: boolean | undefined;
  /** Default: `host` for 127.0.0.0/8, else `global`. */
  readonly scope?: Scope | undefined;
  /** Further IFA_F_ flags (linux/if_addr.h). */
  readonly flags?: number | undefined;
  /** IPv4: the link's name, or the name with `:` and more. */
  readonly label?: string | undefined;
  /** IPv4. Default none. */
  readonly broadcast?: string | undefined;
  /** Priority of the route to the prefix: lower is preferred. */
  readonly metric?: number | undefined;
  /** Who gave it, 1–255 (IFA_PROTO, Linux 5.18; earlier kernels forget it). 1–3 are the kernel's own. Default unsaid. */
  readonly protocol?: number | undefined;
  /** Seconds; default for ever. */
  readonly validLifetime?: number | undefined;
  /** Seconds; default for ever. */
  readonly preferredLifetime?: number | undefined;
}

/** An address of a link. */
export interface Address {
  /** Index of the link. */
  readonly index: number;
  readonly family: Family;
  /** `10.0.0.1/31`. */
  readonly address: string;
  readonly prefixLength: number;
  /** The other end of a point-to-point link, without prefix length. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly scope: Scope;
  readonly label: string | undefined;
  readonly nodad: boolean;
  /** IPv6: duplicate address detection is under way; the address cannot be used yet. */
  readonly tentative: boolean;
  /** IPv6: someone else has it. */
  readonly dadFailed: boolean;
  /** Who gave it (IFA_PROTO); 0: unsaid. */
  readonly protocol: number;
  /** Seconds left, as they were when it was read; undefined: for ever. */
  readonly validLifetime: number | undefined;
  /** Seconds left; undefined: for ever. */
  readonly preferredLifetime: number | undefined;
  /** IFA_F_ flags. */
  readonly flags: number;
}

/** Which addresses to list. */
export interface AddressFilter {
  /** Index of the link. */
  readonly index?: number | undefined;
  readonly family?: Family | undefined;
}

const HEADER_SIZE = 8;
const IFA = {
  address: 1,
  local: 2,
  label: 3,
  broadcast: 4,
  cacheInfo: 6,
  flags: 8,
  priority: 9,
  protocol: 11,
} as const;
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_NOPREFIXROUTE = 0x200;
const FOREVER = 0xffff_ffff;

/** Writes the body of RTM_NEWADDR and RTM_DELADDR. @throws DecodeError */
export const encodeAddress = (writer: AttributeWriter, index: number, spec: AddressSpec): void => {
  const local = IpPrefix.of(spec.address);
  const peer = spec.peer === undefined ? undefined : IpPrefix.of(spec.peer);
  const prefixLength = spec.peer?.includes('/') === true ? (peer?.length ?? local.length) : local.length;
  const loopback = local.family === AF_INET && local.bytes[0] === 127;
  const at = writer.reserve(HEADER_SIZE);
  writer.bytes.writeUInt8(local.family, at);
  writer.bytes.writeUInt8(prefixLength, at + 1);
  writer.bytes.writeUInt8(scopeNumber(spec.scope ?? (loopback ? 'host' : 'global')), at + 3);
  writer.bytes.writeUInt32LE(index, at + 4);
  writer.raw(IFA.local, local.bytes);
  writer.raw(IFA.address, (peer ?? local).bytes);
  const flags =
    (spec.flags ?? 0) |
    (spec.nodad === true ? IFA_F_NODAD : 0) |
    (spec.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  if (flags !== 0) writer.u32(IFA.flags, flags);
  if (spec.label !== undefined) writer.string(IFA.label, spec.label);
  if (spec.broadcast !== undefined) writer.raw(IFA.broadcast, IpPrefix.ofAddress(spec.broadcast).bytes);
  if (spec.metric !== undefined) writer.u32(IFA.priority, spec.metric);
  if (spec.protocol !== undefined) writer.u8(IFA.protocol, spec.protocol);
  if (spec.validLifetime !== undefined || spec.preferredLifetime !== undefined) {
    const valid = spec.validLifetime ?? FOREVER;
    const info = writer.attribute(IFA.cacheInfo, 16);
    writer.bytes.writeUInt32LE(Math.min(spec.preferredLifetime ?? valid, FOREVER), info);
    writer.bytes.writeUInt32LE(Math.min(valid, FOREVER), info + 4);
  }
};

/** Reads RTM_NEWADDR or RTM_DELADDR. @throws DecodeError */
export const decodeAddress = (message: Message): Address => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, HEADER_SIZE);
  const family = familyName(bytes.readUInt8(start));
  const prefixLength = bytes.readUInt8(start + 1);
  const address = attributes.raw(IFA.address);
  // Without IFA_LOCAL (IPv6, no peer) IFA_ADDRESS is the address itself; with it, the peer.
  const local = attributes.raw(IFA.local) ?? address ?? Buffer.alloc(family === 'ipv4' ? 4 : 16);
  const flags = attributes.u32(IFA.flags) ?? bytes.readUInt8(start + 2);
  const info = attributes.raw(IFA.cacheInfo);
  const lifetime = (at: number): number | undefined => {
    const seconds = info !== undefined && info.length >= 8 ? info.readUInt32LE(at) : FOREVER;
    return seconds === FOREVER ? undefined : seconds;
  };
  return {
    index: bytes.readUInt32LE(start + 4),
    family,
    address: `${formatIp(local)}/${prefixLength}`,
    prefixLength,
    peer: address === undefined || address.equals(local) ? undefined : formatIp(address),
    broadcast: attributes.ip(IFA.broadcast),
    scope: scopeName(bytes.readUInt8(start + 3)),
    label: attributes.string(IFA.label),
    nodad: (flags & IFA_F_NODAD) !== 0,
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F_DADFAILED) !== 0,
    protocol: attributes.u8(IFA.protocol) ?? 0,
    validLifetime: lifetime(4),
    preferredLifetime: lifetime(0),
    flags,
  };
};

/** See `RouteSocket.addresses`. */
export const listAddresses = (socket: NetlinkSocket, filter: AddressFilter & DumpOptions): Address[] =>
  socket.dump(
    { type: RTM_GETADDR, operation: 'list addresses', object: '' },
    (writer) => {
      const at = writer.reserve(HEADER_SIZE);
      writer.bytes.writeUInt8(familyNumber(filter.family), at);
      writer.bytes.writeUInt32LE(filter.index ?? 0, at + 4);
    },
    (message) => {
      if (message.type !== RTM_NEWADDR) return undefined;
      const address = decodeAddress(message);
      return filter.index === undefined || address.index === filter.index ? address : undefined;
    },
    filter,
  );

/** See `RouteSocket.addAddress`. */
export const addAddress = (socket: NetlinkSocket, index: number, spec: AddressSpec, replace: boolean): void =>
  socket.request(
    {
      type: RTM_NEWADDR,
      flags: NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
      operation: 'add address',
      object: `${spec.address} to #${index}`,
    },
    (writer) => encodeAddress(writer, index, spec),
  );

/** See `RouteSocket.deleteAddress`. */
export const deleteAddress = (socket: NetlinkSocket, index: number, spec: AddressSpec): void =>
  socket.request(
    { type: RTM_DELADDR, operation: 'delete address', object: `${spec.address} from #${index}` },
    (writer) => encodeAddress(writer, index, spec),
  );
