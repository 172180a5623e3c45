// Queueing disciplines: codec and operations (linux/pkt_sched.h).
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import {
  attributesOf,
  type Message,
  type MessageWriter,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELQDISC, RTM_GETQDISC, RTM_NEWQDISC } from '../protocol/route-messages.js';
import {
  decodeTrafficHeader,
  encodeTrafficHeader,
  parentName,
  parentNumber,
  TRAFFIC_HEADER_SIZE,
  type TrafficParent,
} from './tc-handles.js';
import { MAXIMUM_RATE, ticksFor, writeRate } from './tc-rates.js';

interface CommonQdisc {
  /** Index of the link. */
  readonly device: number;
  /** `1:`; default: the kernel's choice. */
  readonly handle?: TrafficParent | undefined;
  /** Default `root`. */
  readonly parent?: TrafficParent | undefined;
}

/** Does nothing itself; filters attach to its `ingress` and `egress`. One per link, instead of `ingress`. */
export interface ClsactSpec {
  readonly kind: 'clsact' | 'ingress';
  readonly device: number;
}

/** Token bucket: lets through at most so much. */
export interface TbfSpec extends CommonQdisc {
  readonly kind: 'tbf';
  /** Bytes per second. */
  readonly rate: number;
  /** Bytes that may pass at once; at least one packet of the largest size. */
  readonly burst: number;
  /** Bytes that may wait. */
  readonly limit: number;
}

/** Hierarchical token bucket; see `addClass`. */
export interface HtbSpec extends CommonQdisc {
  readonly kind: 'htb';
  /** Minor number of the class for what no filter claims; default 0: passes unshaped. */
  readonly defaultClass?: number | undefined;
}

/** Fair queueing with controlled delay (RFC 8290). */
export interface FqCodelSpec extends CommonQdisc {
  readonly kind: 'fq_codel';
  /** Packets. */
  readonly limit?: number | undefined;
  /** Microseconds. */
  readonly target?: number | undefined;
  /** Microseconds. */
  readonly interval?: number | undefined;
  readonly ecn?: boolean | undefined;
  readonly flows?: number | undefined;
  /** Bytes. */
  readonly quantum?: number | undefined;
}

/** Any other discipline, its options written by the caller. */
export interface RawQdiscSpec extends CommonQdisc {
  readonly kind: 'raw';
  /** The kernel's name for it: `netem`, `fq` … */
  readonly name: string;
  /** Writes the contents of TCA_OPTIONS. */
  readonly options?: ((writer: AttributeWriter) => void) | undefined;
}

export type QdiscSpec = ClsactSpec | TbfSpec | HtbSpec | FqCodelSpec | RawQdiscSpec;

/** A queueing discipline of the kernel. */
export interface Qdisc {
  readonly kind: string;
  readonly device: number;
  readonly handle: TrafficParent;
  readonly parent: TrafficParent;
}

const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const CLSACT_HANDLE = 0xffff_0000;
const isHook = (spec: QdiscSpec): spec is ClsactSpec => spec.kind === 'clsact' || spec.kind === 'ingress';

const encodeOptions = (writer: AttributeWriter, spec: Exclude<QdiscSpec, ClsactSpec>): void => {
  switch (spec.kind) {
    case 'tbf': {
      const at = writer.attribute(1, 36);
      writeRate(writer, at, spec.rate);
      writer.bytes.writeUInt32LE(spec.limit, at + 24);
      writer.bytes.writeUInt32LE(ticksFor(spec.burst, spec.rate), at + 28);
      if (spec.rate > MAXIMUM_RATE) writer.u64(4, Math.round(spec.rate));
      writer.u32(6, spec.burst);
      return;
    }
    case 'htb': {
      // struct tc_htb_glob: version, rate2quantum, default class, debug, direct packets.
      const at = writer.attribute(2, 20);
      writer.bytes.writeUInt32LE(3, at);
      writer.bytes.writeUInt32LE(10, at + 4);
      writer.bytes.writeUInt32LE(spec.defaultClass ?? 0, at + 8);
      return;
    }
    case 'fq_codel':
      if (spec.target !== undefined) writer.u32(1, spec.target);
      if (spec.limit !== undefined) writer.u32(2, spec.limit);
      if (spec.interval !== undefined) writer.u32(3, spec.interval);
      if (spec.ecn !== undefined) writer.u32(4, spec.ecn ? 1 : 0);
      if (spec.flows !== undefined) writer.u32(5, spec.flows);
      if (spec.quantum !== undefined) writer.u32(6, spec.quantum);
      return;
    case 'raw':
      spec.options?.(writer);
      return;
  }
};

const nameOf = (spec: QdiscSpec): string => (spec.kind === 'raw' ? spec.name : spec.kind);

/** Writes the body of RTM_NEWQDISC. @throws DecodeError */
const encodeQdisc = (writer: AttributeWriter, spec: QdiscSpec): void => {
  const { device } = spec;
  if (isHook(spec)) {
    encodeTrafficHeader(writer, { device, handle: CLSACT_HANDLE, parent: parentNumber('clsact') });
    writer.string(TCA_KIND, spec.kind);
    return;
  }
  encodeTrafficHeader(writer, {
    device,
    handle: parentNumber(spec.handle ?? 0),
    parent: parentNumber(spec.parent ?? 'root'),
  });
  writer.string(TCA_KIND, nameOf(spec));
  // Some disciplines refuse empty options.
  if (spec.kind !== 'raw' || spec.options !== undefined)
    writer.nest(TCA_OPTIONS, () => encodeOptions(writer, spec), false);
};

/** Reads RTM_NEWQDISC. @throws DecodeError */
export const decodeQdisc = (message: Message): Qdisc => {
  const attributes = attributesOf(message, TRAFFIC_HEADER_SIZE);
  const header = decodeTrafficHeader(message);
  return {
    kind: attributes.string(TCA_KIND) ?? '',
    device: header.device,
    handle: parentName(header.handle),
    parent: parentName(header.parent),
  };
};

/** See `RouteSocket.qdiscs`. */
export const listQdiscs = (
  socket: NetlinkSocket,
  filter: { readonly device?: number | undefined } & DumpOptions,
): Qdisc[] =>
  socket.dump(
    { type: RTM_GETQDISC, operation: 'list qdiscs', object: '' },
    (writer) => encodeTrafficHeader(writer, { device: filter.device ?? 0 }),
    (message) => {
      if (message.type !== RTM_NEWQDISC) return undefined;
      const qdisc = decodeQdisc(message);
      return filter.device === undefined || qdisc.device === filter.device ? qdisc : undefined;
    },
    filter,
  );

const request = (
  socket: NetlinkSocket,
  type: number,
  operation: string,
  object: string,
  flags: number,
  encode: (writer: MessageWriter) => void,
): void => socket.request({ type, flags, operation, object }, encode);

/** See `RouteSocket.addQdisc`. */
export const addQdisc = (socket: NetlinkSocket, spec: QdiscSpec, replace: boolean): void =>
  request(
    socket,
    RTM_NEWQDISC,
    'add qdisc',
    `${nameOf(spec)} on #${spec.device}`,
    NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
    (writer) => encodeQdisc(writer, spec),
  );

/** See `RouteSocket.deleteQdisc`. */
export const deleteQdisc = (socket: NetlinkSocket, device: number, parent: TrafficParent): void =>
  request(socket, RTM_DELQDISC, 'delete qdisc', `${parent} of #${device}`, 0, (writer) =>
    encodeTrafficHeader(writer, { device, parent: parentNumber(parent) }),
  );
