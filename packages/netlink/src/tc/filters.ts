// Traffic filters and their actions: codec and operations (linux/pkt_cls.h, linux/tc_act/).
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { attributesOf, type Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELTFILTER, RTM_GETTFILTER, RTM_NEWTFILTER } from '../protocol/route-messages.js';
import {
  decodeTrafficHeader,
  encodeTrafficHeader,
  parentName,
  parentNumber,
  TRAFFIC_HEADER_SIZE,
  type TrafficParent,
} from './tc-handles.js';

/** What to do with a packet that matches. */
export type FilterAction =
  | {
      readonly kind: 'redirect' | 'mirror';
      /** Index of the link it goes to. */
      readonly device: number;
      /** Send it out there, or have it arrive there. Default `egress`. */
      readonly direction?: 'egress' | 'ingress' | undefined;
    }
  | { readonly kind: 'drop' | 'pass' };

interface CommonFilter {
  /** Index of the link. */
  readonly device: number;
  /** `ingress` or `egress` of a clsact qdisc, or any qdisc or class. */
  readonly parent: TrafficParent;
  /** Order, 1–65535; default: the kernel's choice. */
  readonly priority?: number | undefined;
  /** Default 1 for eBPF, so that adding twice is noticed; otherwise the kernel's choice. */
  readonly handle?: number | undefined;
  /** EtherType; default all (ETH_P_ALL, 3). */
  readonly protocol?: number | undefined;
}

/** An eBPF program (BPF_PROG_TYPE_SCHED_CLS) that decides itself (direct action). */
export interface BpfFilterSpec extends CommonFilter {
  readonly kind: 'bpf';
  /** Descriptor of the loaded program; it may be closed afterwards. */
  readonly programFd: number;
  /** Shown by tc. */
  readonly name: string;
  /** Class of the packets: the program sees its lower 16 bits (`tc_classid`). Default: none. */
  readonly class?: number | undefined;
}

/** Matches everything. `u32` is the older way to the same end, on kernels without `matchall`. */
export interface MatchAllSpec extends CommonFilter {
  readonly kind: 'matchall' | 'u32';
  readonly actions: readonly FilterAction[];
}

export type FilterSpec = BpfFilterSpec | MatchAllSpec;

/** A filter of the kernel. */
export interface Filter {
  readonly kind: string;
  readonly device: number;
  readonly parent: TrafficParent;
  readonly priority: number;
  /** EtherType; 3 for all. */
  readonly protocol: number;
  readonly handle: number;
  readonly bpf:
    | {
        readonly name: string | undefined;
        readonly id: number | undefined;
        readonly directAction: boolean;
        readonly class: number | undefined;
      }
    | undefined;
}

/** Which filter to delete: all of a priority, or one of them. */
export interface FilterReference {
  readonly device: number;
  readonly parent: TrafficParent;
  /** All of the parent's when left out. */
  readonly priority?: number | undefined;
  readonly handle?: number | undefined;
  /** Needed with `handle`. */
  readonly kind?: string | undefined;
  readonly protocol?: number | undefined;
}

const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const ETH_P_ALL = 3;
const BPF = { class: 3, fd: 6, name: 7, flags: 8, id: 11 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const TC_ACT_OK = 0;
const TC_ACT_SHOT = 2;
const TC_ACT_PIPE = 3;
const TC_ACT_STOLEN = 4;
const MIRRED = { egress: { redirect: 1, mirror: 2 }, ingress: { redirect: 3, mirror: 4 } } as const;

const swap16 = (value: number): number => ((value & 0xff) << 8) | (value >>> 8);

const encodeAction = (writer: AttributeWriter, action: FilterAction): void => {
  const redirecting = action.kind === 'redirect' || action.kind === 'mirror';
  writer.string(1, redirecting ? 'mirred' : 'gact');
  writer.nest(2, () => {
    if (redirecting) {
      // struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex.
      const at = writer.attribute(2, 28);
      writer.bytes.writeInt32LE(action.kind === 'redirect' ? TC_ACT_STOLEN : TC_ACT_PIPE, at + 8);
      writer.bytes.writeInt32LE(MIRRED[action.direction ?? 'egress'][action.kind], at + 20);
      writer.bytes.writeUInt32LE(action.device, at + 24);
    } else {
      const at = writer.attribute(2, 20);
      writer.bytes.writeInt32LE(action.kind === 'drop' ? TC_ACT_SHOT : TC_ACT_OK, at + 8);
    }
  });
};

const encodeActions = (writer: AttributeWriter, type: number, actions: readonly FilterAction[]): void =>
  writer.nest(type, () => {
    actions.forEach((action, index) => {
      writer.nest(index + 1, () => encodeAction(writer, action));
    });
  });

const encodeOptions = (writer: AttributeWriter, spec: FilterSpec): void => {
  if (spec.kind === 'bpf') {
    writer.u32(BPF.fd, spec.programFd);
    writer.string(BPF.name, spec.name);
    if (spec.class !== undefined) writer.u32(BPF.class, spec.class);
    writer.u32(BPF.flags, TCA_BPF_FLAG_ACT_DIRECT);
    return;
  }
  if (spec.kind === 'matchall') {
    encodeActions(writer, 2, spec.actions);
    return;
  }
  // struct tc_u32_sel with one key whose mask is empty; flag 1 is TC_U32_TERMINAL.
  const at = writer.attribute(5, 32);
  writer.bytes.writeUInt8(1, at);
  writer.bytes.writeUInt8(1, at + 2);
  encodeActions(writer, 7, spec.actions);
};

const infoOf = (priority: number | undefined, protocol: number | undefined): number =>
  (((priority ?? 0) << 16) | swap16(protocol ?? ETH_P_ALL)) >>> 0;

/** Writes the body of RTM_NEWTFILTER. @throws DecodeError */
const encodeFilter = (writer: AttributeWriter, spec: FilterSpec): void => {
  encodeTrafficHeader(writer, {
    device: spec.device,
    handle: spec.handle ?? (spec.kind === 'bpf' ? 1 : 0),
    parent: parentNumber(spec.parent),
    info: infoOf(spec.priority, spec.protocol),
  });
  writer.string(TCA_KIND, spec.kind);
  writer.nest(TCA_OPTIONS, () => encodeOptions(writer, spec));
};

/** Reads RTM_NEWTFILTER. @throws DecodeError */
export const decodeFilter = (message: Message): Filter => {
  const attributes = attributesOf(message, TRAFFIC_HEADER_SIZE);
  const header = decodeTrafficHeader(message);
  const kind = attributes.string(TCA_KIND) ?? '';
  const options = kind === 'bpf' ? attributes.nested(TCA_OPTIONS) : undefined;
  return {
    kind,
    device: header.device,
    parent: parentName(header.parent),
    priority: header.info >>> 16,
    protocol: swap16(header.info & 0xffff),
    handle: header.handle,
    bpf:
      options === undefined
        ? undefined
        : {
            name: options.string(BPF.name),
            id: options.u32(BPF.id),
            class: options.u32(BPF.class),
            directAction: ((options.u32(BPF.flags) ?? 0) & TCA_BPF_FLAG_ACT_DIRECT) !== 0,
          },
  };
};

/** See `RouteSocket.filters`. */
export const listFilters = (
  socket: NetlinkSocket,
  filter: { readonly device: number; readonly parent: TrafficParent } & DumpOptions,
): Filter[] =>
  socket.dump(
    { type: RTM_GETTFILTER, operation: 'list filters', object: `of #${filter.device}` },
    (writer) => encodeTrafficHeader(writer, { device: filter.device, parent: parentNumber(filter.parent) }),
    (message) => {
      if (message.type !== RTM_NEWTFILTER) return undefined;
      const found = decodeFilter(message);
      // Each classifier begins with an entry of itself without filter, and u32 lists its hash tables too.
      const empty = found.handle === 0 || (found.kind === 'u32' && (found.handle & 0xfff) === 0);
      return empty ? undefined : found;
    },
    filter,
  );

/** See `RouteSocket.addFilter`. */
export const addFilter = (socket: NetlinkSocket, spec: FilterSpec, replace: boolean): void =>
  socket.request(
    {
      type: RTM_NEWTFILTER,
      flags: NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
      operation: 'add filter',
      object: `${spec.kind} to ${spec.parent} of #${spec.device}`,
    },
    (writer) => encodeFilter(writer, spec),
  );

/** See `RouteSocket.deleteFilter`. */
export const deleteFilter = (socket: NetlinkSocket, filter: FilterReference): void =>
  socket.request(
    {
      type: RTM_DELTFILTER,
      operation: 'delete filter',
      object: `${filter.priority ?? 'all'} of ${filter.parent} of #${filter.device}`,
    },
    (writer) => {
      encodeTrafficHeader(writer, {
        device: filter.device,
        handle: filter.handle ?? 0,
        parent: parentNumber(filter.parent),
        info: filter.priority === undefined ? 0 : infoOf(filter.priority, filter.protocol),
      });
      if (filter.kind !== undefined) writer.string(TCA_KIND, filter.kind);
    },
  );
