// Policy routing rules: codec and operations (linux/fib_rules.h).

import { IpPrefix } from '../address/ip-prefix.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import { attributesOf, type Message, NLM_F_CREATE, NLM_F_EXCL } from '../protocol/message.js';
import type { DumpOptions } from '../protocol/netlink-request.js';
import type { NetlinkSocket } from '../protocol/netlink-socket.js';
import { RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE } from '../protocol/route-messages.js';
import {
  type Family,
  familyName,
  familyNumber,
  type Protocol,
  protocolName,
  protocolNumber,
  type Table,
  tableName,
  tableNumber,
} from '../protocol/route-names.js';

const ACTIONS = { lookup: 1, goto: 2, nop: 3, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

/** What a matching rule does; `lookup` looks into a table. */
export type RuleAction = keyof typeof ACTIONS;

/** A rule to add or to delete. What is left out matches everything. */
export interface RuleSpec {
  /** Default: that of `from` or `to`, else `ipv4`. */
  readonly family?: Family | undefined;
  /** Lower is looked at first. Default: just before the first rule there is (kernel's choice). */
  readonly priority?: number | undefined;
  /** Source prefix. */
  readonly from?: string | undefined;
  /** Destination prefix. */
  readonly to?: string | undefined;
  /** Name of the link a packet came in by; `lo` for packets made here. */
  readonly inputDevice?: string | undefined;
  /** Name of the link a socket is bound to. */
  readonly outputDevice?: string | undefined;
  /** Firewall mark. */
  readonly mark?: number | undefined;
  /** Which bits of the mark count; default all. */
  readonly markMask?: number | undefined;
  /** Default `main`. */
  readonly table?: Table | undefined;
  /** Default `lookup`. */
  readonly action?: RuleAction | undefined;
  /** Priority of the rule to go to. */
  readonly goto?: number | undefined;
  /** Ignore routes of this prefix length or shorter; 0 ignores default routes. */
  readonly suppressPrefixLength?: number | undefined;
  /** Match what does not match. Default false. */
  readonly invert?: boolean | undefined;
  /** Default `static`. */
  readonly protocol?: Protocol | undefined;
}

/** A rule of the kernel. */
export interface Rule {
  readonly family: Family;
  readonly priority: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly inputDevice: string | undefined;
  readonly outputDevice: string | undefined;
  readonly mark: number | undefined;
  readonly markMask: number | undefined;
  readonly table: Table;
  readonly action: RuleAction | undefined;
  readonly goto: number | undefined;
  readonly suppressPrefixLength: number | undefined;
  readonly invert: boolean;
  readonly protocol: Protocol;
}

const HEADER_SIZE = 12;
const FRA = {
  to: 1,
  from: 2,
  inputDevice: 3,
  goto: 4,
  priority: 6,
  mark: 10,
  suppressPrefixLength: 14,
  table: 15,
  markMask: 16,
  outputDevice: 17,
  protocol: 21,
} as const;
const FIB_RULE_INVERT = 2;

/** Writes the body of RTM_NEWRULE and RTM_DELRULE. @throws DecodeError */
export const encodeRule = (writer: AttributeWriter, spec: RuleSpec, deleting = false): void => {
  const to = spec.to === undefined ? undefined : IpPrefix.of(spec.to);
  const from = spec.from === undefined ? undefined : IpPrefix.of(spec.from);
  const lookup = (spec.action ?? 'lookup') === 'lookup';
  const table = spec.table === undefined ? (lookup && !deleting ? 'main' : 0) : spec.table;
  const number = tableNumber(table);
  const at = writer.reserve(HEADER_SIZE);
  writer.bytes.writeUInt8(from?.family ?? to?.family ?? familyNumber(spec.family ?? 'ipv4'), at);
  writer.bytes.writeUInt8(to?.length ?? 0, at + 1);
  writer.bytes.writeUInt8(from?.length ?? 0, at + 2);
  writer.bytes.writeUInt8(number < 256 ? number : 0, at + 4);
  const action = spec.action ?? (deleting ? undefined : 'lookup');
  writer.bytes.writeUInt8(action === undefined ? 0 : ACTIONS[action], at + 7);
  writer.bytes.writeUInt32LE(spec.invert === true ? FIB_RULE_INVERT : 0, at + 8);
  if (to !== undefined && to.length > 0) writer.raw(FRA.to, to.bytes);
  if (from !== undefined && from.length > 0) writer.raw(FRA.from, from.bytes);
  if (spec.priority !== undefined) writer.u32(FRA.priority, spec.priority);
  if (spec.inputDevice !== undefined) writer.string(FRA.inputDevice, spec.inputDevice);
  if (spec.outputDevice !== undefined) writer.string(FRA.outputDevice, spec.outputDevice);
  if (spec.mark !== undefined) writer.u32(FRA.mark, spec.mark);
  if (spec.markMask !== undefined) writer.u32(FRA.markMask, spec.markMask);
  if (spec.goto !== undefined) writer.u32(FRA.goto, spec.goto);
  if (spec.suppressPrefixLength !== undefined)
    writer.u32(FRA.suppressPrefixLength, spec.suppressPrefixLength);
  if (number >= 256) writer.u32(FRA.table, number);
  if (spec.protocol !== undefined || !deleting)
    writer.u8(FRA.protocol, protocolNumber(spec.protocol ?? 'static'));
};

/** Reads RTM_NEWRULE or RTM_DELRULE. @throws DecodeError */
export const decodeRule = (message: Message): Rule => {
  const { bytes, start } = message;
  const attributes = attributesOf(message, HEADER_SIZE);
  const prefix = (type: number, length: number): string | undefined => {
    const address = attributes.ip(type);
    return address === undefined ? undefined : `${address}/${length}`;
  };
  const action = bytes.readUInt8(start + 7);
  return {
    family: familyName(bytes.readUInt8(start)),
    priority: attributes.u32(FRA.priority) ?? 0,
    from: prefix(FRA.from, bytes.readUInt8(start + 2)),
    to: prefix(FRA.to, bytes.readUInt8(start + 1)),
    inputDevice: attributes.string(FRA.inputDevice),
    outputDevice: attributes.string(FRA.outputDevice),
    mark: attributes.u32(FRA.mark),
    markMask: attributes.u32(FRA.markMask),
    table: tableName(attributes.u32(FRA.table) ?? bytes.readUInt8(start + 4)),
    action: (Object.keys(ACTIONS) as RuleAction[]).find((name) => ACTIONS[name] === action),
    goto: attributes.u32(FRA.goto),
    // All ones: none.
    suppressPrefixLength: positive(attributes.s32(FRA.suppressPrefixLength)),
    invert: (bytes.readUInt32LE(start + 8) & FIB_RULE_INVERT) !== 0,
    protocol: protocolName(attributes.u8(FRA.protocol) ?? 0),
  };
};

const positive = (value: number | undefined): number | undefined =>
  value === undefined || value < 0 ? undefined : value;

/** See `RouteSocket.rules`. */
export const listRules = (
  socket: NetlinkSocket,
  filter: { readonly family?: Family | undefined } & DumpOptions,
): Rule[] =>
  socket.dump(
    { type: RTM_GETRULE, operation: 'list rules', object: '' },
    (writer) => {
      const at = writer.reserve(HEADER_SIZE);
      writer.bytes.writeUInt8(familyNumber(filter.family), at);
    },
    (message) => {
      if (message.type !== RTM_NEWRULE) return undefined;
      const family = message.bytes.readUInt8(message.start);
      // Multicast routing answers to AF_UNSPEC too, as family 128 and 129.
      const known = family === familyNumber('ipv4') || family === familyNumber('ipv6');
      return known ? decodeRule(message) : undefined;
    },
    filter,
  );

const describe = (spec: RuleSpec): string =>
  `${spec.priority ?? ''} from ${spec.from ?? 'all'} to ${spec.to ?? 'all'}`.trim();

/** See `RouteSocket.addRule`. */
export const addRule = (socket: NetlinkSocket, spec: RuleSpec): void =>
  socket.request(
    {
      type: RTM_NEWRULE,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      operation: 'add rule',
      object: describe(spec),
    },
    (writer) => encodeRule(writer, spec),
  );

/** See `RouteSocket.deleteRule`. */
export const deleteRule = (socket: NetlinkSocket, spec: RuleSpec): void =>
  socket.request({ type: RTM_DELRULE, operation: 'delete rule', object: describe(spec) }, (writer) =>
    encodeRule(writer, spec, true),
  );
