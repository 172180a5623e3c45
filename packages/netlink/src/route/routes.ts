// Routes: codec and operations (linux/rtnetlink.h).

import { formatIp, IpPrefix } from '../address/ip-prefix.js';
import { DecodeError } from '../decode-error.js';
import { AF_INET } from '../libc/libc.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { Attributes } from '../protocol/attributes.js';
import { attributesOf, type Message } from '../protocol/message.js';
import {
  type Family,
  familyName,
  type Protocol,
  protocolName,
  protocolNumber,
  type RouteType,
  routeTypeName,
  routeTypeNumber,
  type Scope,
  scopeName,
  scopeNumber,
  type Table,
  tableName,
  tableNumber,
} from '../protocol/route-names.js';

/** One of the ways of a route. */
export interface NextHop {
  /** Next router; it may be an IPv6 address on an IPv4 route (RFC 8950). */
  readonly gateway?: string | undefined;
  /** Index of the link. */
  readonly device?: number | undefined;
  /** Share of the flows relative to the other ways, 1–256. Default 1. */
  readonly weight?: number | undefined;
  /** The gateway is on the link even if no address there says so. */
  readonly onlink?: boolean | undefined;
}

/** A route to add or to delete. */
export interface RouteSpec {
  /** `10.0.0.0/8`, a single address, or `default`. */
  readonly destination: string;
  /** Needed for `default` without gateway or source; otherwise it follows from the addresses. */
  readonly family?: Family | undefined;
  readonly gateway?: string | undefined;
  /** Index of the link. */
  readonly device?: number | undefined;
  /** Preferred source address. */
  readonly source?: string | undefined;
  /** Priority: lower is preferred. Kernel default 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number | undefined;
  /** Default `main`. */
  readonly table?: Table | undefined;
  /** Default: `link` for an IPv4 route without gateway, `host` for type local, else `global`. */
  readonly scope?: Scope | undefined;
  /** Default `unicast`. */
  readonly type?: RouteType | undefined;
  /** Default `static`. */
  readonly protocol?: Protocol | undefined;
  readonly onlink?: boolean | undefined;
  /** Bytes: largest packet by this route. */
  readonly mtu?: number | undefined;
  /** Bytes: TCP maximum segment size to announce. */
  readonly advmss?: number | undefined;
  /** Several ways instead of one gateway and device. */
  readonly multipath?: readonly NextHop[] | undefined;
}

/** A route of the kernel. */
export interface Route {
  readonly family: Family;
  /** `10.0.0.0/8`, or `default`. */
  readonly destination: string;
  readonly type: RouteType;
  readonly scope: Scope;
  readonly protocol: Protocol;
  readonly table: Table;
  readonly gateway: string | undefined;
  readonly device: number | undefined;
  readonly source: string | undefined;
  readonly metric: number | undefined;
  readonly mtu: number | undefined;
  readonly advmss: number | undefined;
  readonly onlink: boolean;
  readonly multipath: readonly NextHop[];
  /** RTNH_F_ and RTM_F_ flags. */
  readonly flags: number;
}

/** Size of `struct rtmsg`. */
export const ROUTE_HEADER_SIZE = 12;
/** RTA_ attribute types. */
export const RTA = {
  destination: 1,
  source: 2,
  device: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  table: 15,
  via: 18,
} as const;
const RTAX_MTU = 2;
const RTAX_ADVMSS = 8;
const RTNH_F_ONLINK = 4;
/** The route is an entry of the kernel's own cache, not of a table. */
export const RTM_F_CLONED = 0x200;
const NEXT_HOP_HEADER_SIZE = 8;
const TABLE_UNSPEC = 0;

const destinationOf = (spec: RouteSpec): IpPrefix => {
  if (spec.destination !== 'default') return IpPrefix.of(spec.destination);
  const known = spec.gateway ?? spec.source ?? spec.multipath?.find((hop) => hop.gateway)?.gateway;
  const family =
    spec.family ?? (known === undefined || IpPrefix.ofAddress(known).version === 4 ? 'ipv4' : 'ipv6');
  return IpPrefix.of(family === 'ipv4' ? '0.0.0.0/0' : '::/0');
};

const encodeGateway = (writer: AttributeWriter, family: number, gateway: string): void => {
  const { family: own, bytes } = IpPrefix.ofAddress(gateway);
  if (own === family) {
    writer.raw(RTA.gateway, bytes);
    return;
  }
  // struct rtvia: the family, then the address.
  const at = writer.attribute(RTA.via, 2 + bytes.length);
  writer.bytes.writeUInt16LE(own, at);
  writer.bytes.set(bytes, at + 2);
};

const encodeNextHop = (writer: AttributeWriter, family: number, hop: NextHop): void => {
  const at = writer.reserve(NEXT_HOP_HEADER_SIZE);
  writer.bytes.writeUInt8(hop.onlink === true ? RTNH_F_ONLINK : 0, at + 2);
  writer.bytes.writeUInt8((hop.weight ?? 1) - 1, at + 3);
  writer.bytes.writeInt32LE(hop.device ?? 0, at + 4);
  if (hop.gateway !== undefined) encodeGateway(writer, family, hop.gateway);
  writer.bytes.writeUInt16LE(writer.length - at, at);
};

const defaultScope = (spec: RouteSpec, family: number): Scope => {
  if (spec.type === 'local') return 'host';
  const unicast = spec.type === undefined || spec.type === 'unicast';
  const direct = spec.gateway === undefined && (spec.multipath ?? []).length === 0;
  return family === AF_INET && unicast && direct ? 'link' : 'global';
};

/** Writes the body of RTM_NEWROUTE and RTM_DELROUTE; when deleting, what the caller left out matches anything. @throws DecodeError */
export const encodeRoute = (writer: AttributeWriter, spec: RouteSpec, deleting = false): void => {
  const destination = destinationOf(spec);
  const { family } = destination;
  const table = tableNumber(spec.table ?? 'main');
  const scope = spec.scope ?? (deleting ? 'nowhere' : defaultScope(spec, family));
  const at = writer.reserve(ROUTE_HEADER_SIZE);
  writer.bytes.writeUInt8(family, at);
  writer.bytes.writeUInt8(destination.length, at + 1);
  writer.bytes.writeUInt8(table < 256 ? table : TABLE_UNSPEC, at + 4);
  writer.bytes.writeUInt8(protocolNumber(spec.protocol ?? (deleting ? 'unspecified' : 'static')), at + 5);
  writer.bytes.writeUInt8(scopeNumber(scope), at + 6);
  const type = spec.type ?? (deleting ? 'unspecified' : 'unicast');
  writer.bytes.writeUInt8(routeTypeNumber(type), at + 7);
  writer.bytes.writeUInt32LE(spec.onlink === true ? RTNH_F_ONLINK : 0, at + 8);
  if (destination.length > 0) writer.raw(RTA.destination, destination.bytes);
  if (spec.gateway !== undefined) encodeGateway(writer, family, spec.gateway);
  if (spec.device !== undefined) writer.u32(RTA.device, spec.device);
  if (spec.source !== undefined) writer.ip(RTA.preferredSource, spec.source);
  if (spec.metric !== undefined) writer.u32(RTA.priority, spec.metric);
  if (table >= 256) writer.u32(RTA.table, table);
  if (spec.mtu !== undefined || spec.advmss !== undefined)
    writer.nest(RTA.metrics, () => {
      if (spec.mtu !== undefined) writer.u32(RTAX_MTU, spec.mtu);
      if (spec.advmss !== undefined) writer.u32(RTAX_ADVMSS, spec.advmss);
    });
  const { multipath } = spec;
  if (multipath !== undefined && multipath.length > 0)
    writer.nest(RTA.multipath, () => {
      for (const hop of multipath) encodeNextHop(writer, family, hop);
    });
};

const decodeGateway = (attributes: Attributes): string | undefined => {
  const direct = attributes.ip(RTA.gateway);
  if (direct !== undefined) return direct;
  const via = attributes.raw(RTA.via);
  return via === undefined ? undefined : formatIp(via.subarray(2));
};

const decodeMultipath = (attributes: Attributes): NextHop[] => {
  const value = attributes.find(RTA.multipath);
  const hops: NextHop[] = [];
  if (value === undefined) return hops;
  const { bytes } = attributes;
  let at = value.start;
  while (value.end - at >= NEXT_HOP_HEADER_SIZE) {
    const length = bytes.readUInt16LE(at);
    if (length < NEXT_HOP_HEADER_SIZE || at + length > value.end)
      throw new DecodeError(`next hop of ${length} bytes does not fit`);
    const gateway = decodeGateway(new Attributes(bytes, at + NEXT_HOP_HEADER_SIZE, at + length));
    hops.push({
      ...(gateway === undefined ? {} : { gateway }),
      device: bytes.readInt32LE(at + 4),
      weight: bytes.readUInt8(at + 3) + 1,
      onlink: (bytes.readUInt8(at + 2) & RTNH_F_ONLINK) !== 0,
    });
    at += (length + 3) & ~3;
  }
  return hops;
};

/** Reads RTM_NEWROUTE or RTM_DELROUTE. @throws DecodeError */
export const decodeRoute = (message: Message): Route => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, ROUTE_HEADER_SIZE);
  const length = bytes.readUInt8(start + 1);
  const flags = bytes.readUInt32LE(start + 8);
  const destination = attributes.ip(RTA.destination);
  const metrics = attributes.nested(RTA.metrics);
  const family = familyName(bytes.readUInt8(start));
  const zero = family === 'ipv4' ? '0.0.0.0' : '::';
  return {
    family,
    destination: length === 0 ? 'default' : `${destination ?? zero}/${length}`,
    type: routeTypeName(bytes.readUInt8(start + 7)),
    scope: scopeName(bytes.readUInt8(start + 6)),
    protocol: protocolName(bytes.readUInt8(start + 5)),
    table: tableName(attributes.u32(RTA.table) ?? bytes.readUInt8(start + 4)),
    gateway: decodeGateway(attributes),
    device: attributes.u32(RTA.device),
    source: attributes.ip(RTA.preferredSource),
    metric: attributes.u32(RTA.priority),
    mtu: metrics?.u32(RTAX_MTU),
    advmss: metrics?.u32(RTAX_ADVMSS),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    multipath: decodeMultipath(attributes),
    flags,
  };
};
