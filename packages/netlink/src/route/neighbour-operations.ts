// Operations on neighbours and forwarding entries over one netlink socket.

import { IpPrefix } from '../address/ip-prefix.js';
import { ENODEV, ENOENT } from '../libc/errno.js';
import { AF_BRIDGE } from '../libc/libc.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from '../protocol/route-messages.js';
import { familyNumber } from '../protocol/route-names.js';
import {
  decodeNeighbour,
  encodeForwarding,
  encodeNeighbour,
  encodeNeighbourHeader,
  type ForwardingSpec,
  NDA,
  NEIGHBOUR_FLAGS,
  NEIGHBOUR_HEADER_SIZE,
  type Neighbour,
  type NeighbourFilter,
  type NeighbourSpec,
} from './neighbours.js';

const dump = (
  socket: NetlinkSocket,
  operation: string,
  options: DumpOptions & { device?: number | undefined },
  encode: (writer: AttributeWriter) => void,
): Neighbour[] =>
  socket.dump(
    { type: RTM_GETNEIGH, operation, object: '' },
    encode,
    (message) => {
      if (message.type !== RTM_NEWNEIGH) return undefined;
      const entry = decodeNeighbour(message);
      return options.device === undefined || entry.device === options.device ? entry : undefined;
    },
    options,
  );

/** See `RouteSocket.neighbours`. */
export const listNeighbours = (socket: NetlinkSocket, filter: NeighbourFilter & DumpOptions): Neighbour[] =>
  dump(socket, 'list neighbours', filter, (writer) => {
    const at = writer.reserve(NEIGHBOUR_HEADER_SIZE);
    writer.bytes.writeUInt8(familyNumber(filter.family), at);
    if (filter.proxy === true) writer.bytes.writeUInt8(NEIGHBOUR_FLAGS.proxy, at + 10);
    else if (filter.device !== undefined) writer.u32(NDA.ifindex, filter.device);
  }).filter((entry) => entry.family !== 'bridge');

/** See `RouteSocket.neighbour`. */
export const findNeighbour = (
  socket: NetlinkSocket,
  address: string,
  device: number,
): Neighbour | undefined => {
  const { family, bytes } = IpPrefix.ofAddress(address);
  return socket.find(
    { type: RTM_GETNEIGH, operation: 'get neighbour', object: describe(address, device) },
    (writer) => {
      encodeNeighbourHeader(writer, family, device, 'none', []);
      writer.raw(NDA.destination, bytes);
    },
    decodeNeighbour,
    [ENOENT, ENODEV],
  );
};

/** See `RouteSocket.forwardingEntries`. */
export const listForwarding = (
  socket: NetlinkSocket,
  filter: { readonly device?: number | undefined } & DumpOptions,
): Neighbour[] =>
  dump(socket, 'list forwarding entries', filter, (writer) => {
    encodeNeighbourHeader(writer, AF_BRIDGE, filter.device ?? 0, 'none', []);
  });

const addFlags = (replace: boolean): number => NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);

const describe = (address: string, device: number): string => `${address} on #${device}`;

/** See `RouteSocket.addNeighbour`. */
export const addNeighbour = (socket: NetlinkSocket, spec: NeighbourSpec, replace: boolean): void =>
  socket.request(
    {
      type: RTM_NEWNEIGH,
      flags: addFlags(replace),
      operation: 'add neighbour',
      object: describe(spec.address, spec.device),
    },
    (writer) => encodeNeighbour(writer, spec),
  );

/** See `RouteSocket.deleteNeighbour`. */
export const deleteNeighbour = (socket: NetlinkSocket, spec: NeighbourSpec): void =>
  socket.request(
    { type: RTM_DELNEIGH, operation: 'delete neighbour', object: describe(spec.address, spec.device) },
    (writer) => encodeNeighbour(writer, spec),
  );

/** See `RouteSocket.addForwardingEntry`. */
export const addForwarding = (
  socket: NetlinkSocket,
  spec: ForwardingSpec,
  conflict: 'fail' | 'replace' | 'append',
): void =>
  socket.request(
    {
      type: RTM_NEWNEIGH,
      flags: conflict === 'append' ? NLM_F_CREATE | NLM_F_APPEND : addFlags(conflict === 'replace'),
      operation: 'add forwarding entry',
      object: describe(spec.mac, spec.device),
    },
    (writer) => encodeForwarding(writer, spec),
  );

/** See `RouteSocket.deleteForwardingEntry`. */
export const deleteForwarding = (socket: NetlinkSocket, spec: ForwardingSpec): void =>
  socket.request(
    { type: RTM_DELNEIGH, operation: 'delete forwarding entry', object: describe(spec.mac, spec.device) },
    (writer) => encodeForwarding(writer, spec),
  );
