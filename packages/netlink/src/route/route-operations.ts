// Operations on routes over one netlink socket.
import { IpPrefix } from '../address/ip-prefix.js';
import { NetlinkError } from '../libc/netlink-error.js';
import { findLink } from '../link/links.js';
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE } from '../protocol/route-messages.js';
import {
  type Family,
  familyNumber,
  type Protocol,
  protocolNumber,
  type RouteType,
  type Table,
  tableNumber,
} from '../protocol/route-names.js';
import {
  decodeRoute,
  encodeRoute,
  ROUTE_HEADER_SIZE,
  type Route,
  type RouteSpec,
  RTA,
  RTM_F_CLONED,
} from './routes.js';

/** Which routes to list. */
export interface RouteFilter {
  readonly family?: Family | undefined;
  /** Default `main`; `all` for every table. */
  readonly table?: Table | 'all' | undefined;
  /** Index of the link. */
  readonly device?: number | undefined;
  readonly protocol?: Protocol | undefined;
}

/** What to do when there is such a route already. */
export type RouteConflict = 'fail' | 'replace' | 'append' | 'prepend';

/** How a packet to an address would go. */
export interface RouteLookup {
  /** Unicast, local, unreachable … */
  readonly type: RouteType;
  /** Index of the link. */
  readonly device: number;
  /** Source address the kernel would choose. */
  readonly source: string | undefined;
  /** Undefined when the address is on the link itself. */
  readonly gateway: string | undefined;
  /** Bytes: what the route or a path MTU discovery says, else the link's. */
  readonly mtu: number;
  /** `main` also for what is in `local`, as long as no rule of one's own makes the kernel keep the two apart. */
  readonly table: Table;
  /** The entry of the table that decided. */
  readonly match: Route;
}

const RTM_F_LOOKUP_TABLE = 0x1000;
const RTM_F_FIB_MATCH = 0x2000;

/** See `RouteSocket.routes`. */
export const listRoutes = (socket: NetlinkSocket, filter: RouteFilter & DumpOptions): Route[] => {
  try {
    return dumpRoutes(socket, filter);
  } catch (error) {
    // Where nothing has been up yet there is not even the table.
    if (error instanceof NetlinkError && error.code === 'ENOENT') return [];
    throw error;
  }
};

const dumpRoutes = (socket: NetlinkSocket, filter: RouteFilter & DumpOptions): Route[] => {
  const table = filter.table === 'all' ? undefined : tableNumber(filter.table ?? 'main');
  const protocol = protocolNumber(filter.protocol ?? 'unspecified');
  return socket.dump(
    { type: RTM_GETROUTE, operation: 'list routes', object: '' },
    (writer) => {
      const at = writer.reserve(ROUTE_HEADER_SIZE);
      writer.bytes.writeUInt8(familyNumber(filter.family), at);
      writer.bytes.writeUInt8(protocol, at + 5);
      if (table !== undefined && filter.family !== undefined) writer.u32(RTA.table, table);
      if (filter.device !== undefined) writer.u32(RTA.device, filter.device);
    },
    (message) => {
      if (message.type !== RTM_NEWROUTE) return undefined;
      const family = message.bytes.readUInt8(message.start);
      // Multicast routing answers to AF_UNSPEC too, as family 128 and 129.
      if (family !== familyNumber('ipv4') && family !== familyNumber('ipv6')) return undefined;
      const route = decodeRoute(message);
      if ((route.flags & RTM_F_CLONED) !== 0) return undefined;
      const wanted =
        (table === undefined || tableNumber(route.table) === table) &&
        (filter.device === undefined ||
          route.device === filter.device ||
          route.multipath.some((hop) => hop.device === filter.device)) &&
        (filter.protocol === undefined || protocolNumber(route.protocol) === protocol);
      return wanted ? route : undefined;
    },
    filter,
  );
};

const FLAGS: Readonly<Record<RouteConflict, number>> = {
  fail: NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  append: NLM_F_CREATE | NLM_F_APPEND,
  prepend: NLM_F_CREATE,
};

/** See `RouteSocket.addRoute`. */
export const addRoute = (socket: NetlinkSocket, spec: RouteSpec, conflict: RouteConflict): void =>
  socket.request(
    { type: RTM_NEWROUTE, flags: FLAGS[conflict], operation: 'add route', object: describe(spec) },
    (writer) => encodeRoute(writer, spec),
  );

/** See `RouteSocket.deleteRoute`. */
export const deleteRoute = (socket: NetlinkSocket, spec: RouteSpec): void =>
  socket.request({ type: RTM_DELROUTE, operation: 'delete route', object: describe(spec) }, (writer) =>
    encodeRoute(writer, spec, true),
  );

const describe = (spec: RouteSpec): string => {
  const via = spec.gateway === undefined ? '' : ` via ${spec.gateway}`;
  return `${spec.destination}${via}${spec.device === undefined ? '' : ` dev #${spec.device}`}`;
};

const look = (socket: NetlinkSocket, address: string, from: string | undefined, flags: number): Route => {
  const { version, family, bits, bytes } = IpPrefix.ofAddress(address);
  return socket.get(
    { type: RTM_GETROUTE, operation: 'look up route', object: `to ${address}` },
    (writer) => {
      const at = writer.reserve(ROUTE_HEADER_SIZE);
      writer.bytes.writeUInt8(family, at);
      writer.bytes.writeUInt8(bits, at + 1);
      if (from !== undefined) writer.bytes.writeUInt8(bits, at + 2);
      // IPv6 tells the table in any case and refuses to be asked (net/ipv6/route.c).
      const lookup = version === 4 ? RTM_F_LOOKUP_TABLE : 0;
      writer.bytes.writeUInt32LE(flags | lookup, at + 8);
      writer.raw(RTA.destination, bytes);
      if (from !== undefined) writer.raw(RTA.source, IpPrefix.ofAddress(from).bytes);
    },
    decodeRoute,
  );
};

/** See `RouteSocket.routeTo`. */
export const routeTo = (socket: NetlinkSocket, address: string, from?: string): RouteLookup => {
  const resolved = look(socket, address, from, 0);
  const match = look(socket, address, from, RTM_F_FIB_MATCH);
  const device = resolved.device ?? 0;
  return {
    type: resolved.type,
    device,
    source: resolved.source,
    gateway: resolved.gateway,
    mtu: resolved.mtu ?? match.mtu ?? findLink(socket, device)?.mtu ?? 0,
    table: match.table,
    match,
  };
};
