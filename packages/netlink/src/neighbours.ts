// Neighbours (ARP, NDP) and bridge forwarding entries: codec and operations (linux/neighbour.h).
import type { AttributeWriter } from './attribute-writer.js';
import { ENODEV, ENOENT } from './errno.js';
import { familyOf, parseIp } from './ip-address.js';
import { AF_BRIDGE, AF_INET, AF_INET6 } from './libc.js';
import {
  attributesOf,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './message.js';
import { NetlinkError } from './netlink-error.js';
import type { DumpOptions, NetlinkSocket } from './netlink-socket.js';
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from './route-messages.js';
import { type Family, familyNumber } from './route-names.js';

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

const FLAGS = {
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
export type NeighbourFlag = keyof typeof FLAGS | 'managed';

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

const HEADER_SIZE = 12;
const NDA = {
  destination: 1,
  mac: 2,
  vlan: 5,
  port: 6,
  vni: 7,
  ifindex: 8,
  master: 9,
  flagsExtended: 15,
} as const;

const encodeHeader = (
  writer: AttributeWriter,
  family: number,
  device: number,
  state: NeighbourState,
  flags: readonly NeighbourFlag[],
): void => {
  const at = writer.reserve(HEADER_SIZE);
  let bits = 0;
  for (const flag of flags) if (flag !== 'managed') bits |= FLAGS[flag];
  writer.bytes.writeUInt8(family, at);
  writer.bytes.writeInt32LE(device, at + 4);
  writer.bytes.writeUInt16LE(STATES[state], at + 8);
  writer.bytes.writeUInt8(bits, at + 10);
  if (flags.includes('managed')) writer.u32(NDA.flagsExtended, NTF_EXT_MANAGED);
};

/** Writes the body of RTM_NEWNEIGH and RTM_DELNEIGH for a neighbour. @throws DecodeError */
export const encodeNeighbour = (writer: AttributeWriter, spec: NeighbourSpec): void => {
  const bytes = parseIp(spec.address);
  const state = spec.state ?? (spec.mac === undefined ? 'none' : 'permanent');
  encodeHeader(writer, familyOf(bytes), spec.device, state, spec.flags ?? []);
  writer.raw(NDA.destination, bytes);
  if (spec.mac !== undefined) writer.mac(NDA.mac, spec.mac);
};

/** Writes the body of RTM_NEWNEIGH and RTM_DELNEIGH for a forwarding entry. @throws DecodeError */
export const encodeForwarding = (writer: AttributeWriter, spec: ForwardingSpec): void => {
  encodeHeader(writer, AF_BRIDGE, spec.device, spec.state ?? 'permanent', spec.flags ?? ['self']);
  writer.mac(NDA.mac, spec.mac);
  if (spec.destination !== undefined) writer.ip(NDA.destination, spec.destination);
  if (spec.port !== undefined) writer.be16(NDA.port, spec.port);
  if (spec.vni !== undefined) writer.u32(NDA.vni, spec.vni);
  if (spec.vlan !== undefined) writer.u16(NDA.vlan, spec.vlan);
};

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH. @throws DecodeError */
export const decodeNeighbour = (message: Message): Neighbour => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, HEADER_SIZE);
  const family = bytes.readUInt8(start);
  const state = bytes.readUInt16LE(start + 8);
  const bits = bytes.readUInt8(start + 10);
  const flags: NeighbourFlag[] = (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).filter(
    (flag) => (bits & FLAGS[flag]) !== 0,
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
    const at = writer.reserve(HEADER_SIZE);
    writer.bytes.writeUInt8(familyNumber(filter.family), at);
    if (filter.proxy === true) writer.bytes.writeUInt8(FLAGS.proxy, at + 10);
    else if (filter.device !== undefined) writer.u32(NDA.ifindex, filter.device);
  }).filter((entry) => entry.family !== 'bridge');

/** See `RouteSocket.neighbour`. */
export const findNeighbour = (
  socket: NetlinkSocket,
  address: string,
  device: number,
): Neighbour | undefined => {
  const bytes = parseIp(address);
  try {
    return socket.get(
      { type: RTM_GETNEIGH, operation: 'get neighbour', object: describe(address, device) },
      (writer) => {
        encodeHeader(writer, familyOf(bytes), device, 'none', []);
        writer.raw(NDA.destination, bytes);
      },
      decodeNeighbour,
    );
  } catch (error) {
    if (error instanceof NetlinkError && (error.errno === ENOENT || error.errno === ENODEV)) return undefined;
    throw error;
  }
};

/** See `RouteSocket.forwardingEntries`. */
export const listForwarding = (
  socket: NetlinkSocket,
  filter: { readonly device?: number | undefined } & DumpOptions,
): Neighbour[] =>
  dump(socket, 'list forwarding entries', filter, (writer) => {
    encodeHeader(writer, AF_BRIDGE, filter.device ?? 0, 'none', []);
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
