// Handles and hooks of traffic control, and the header all its messages share (linux/pkt_sched.h, linux/rtnetlink.h).

import { DecodeError } from '../decode-error.js';
import type { AttributeWriter } from '../protocol/attribute-writer.js';
import type { Message } from '../protocol/message.js';

/** Where a qdisc, class or filter hangs: a hook by name, `1:10` (hexadecimal, as tc writes it), or the raw number. */
export type TrafficParent = 'root' | 'clsact' | 'ingress' | 'egress' | `${string}:${string}` | number;

const HOOKS: Readonly<Record<string, number>> = {
  root: 0xffff_ffff,
  // Of a clsact or ingress qdisc; `ingress` and `egress` are the two ends of clsact that filters attach to.
  clsact: 0xffff_fff1,
  ingress: 0xffff_fff2,
  egress: 0xffff_fff3,
};

/** @throws DecodeError */
export const parentNumber = (parent: TrafficParent): number => {
  if (typeof parent === 'number') return parent;
  const hook = HOOKS[parent];
  if (hook !== undefined) return hook;
  const parts = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/i.exec(parent);
  if (parts === null) throw new DecodeError(`not a traffic control handle: ${JSON.stringify(parent)}`);
  return ((Number.parseInt(parts[1] ?? '0', 16) << 16) | Number.parseInt(parts[2] || '0', 16)) >>> 0;
};

/** The hook's name, or the handle as tc writes it. */
export const parentName = (number: number): TrafficParent => {
  const hook = Object.keys(HOOKS).find((name) => HOOKS[name] === number);
  if (hook !== undefined) return hook as TrafficParent;
  const minor = number & 0xffff;
  return `${(number >>> 16).toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
};

/** Size of `struct tcmsg`. */
export const TRAFFIC_HEADER_SIZE = 20;

/** What `struct tcmsg` says. */
export interface TrafficHeader {
  readonly device: number;
  readonly handle: number;
  readonly parent: number;
  /** Of filters: priority and protocol. */
  readonly info: number;
}

export const encodeTrafficHeader = (writer: AttributeWriter, header: Partial<TrafficHeader>): void => {
  const at = writer.reserve(TRAFFIC_HEADER_SIZE);
  writer.bytes.writeInt32LE(header.device ?? 0, at + 4);
  writer.bytes.writeUInt32LE(header.handle ?? 0, at + 8);
  writer.bytes.writeUInt32LE(header.parent ?? 0, at + 12);
  writer.bytes.writeUInt32LE(header.info ?? 0, at + 16);
};

/** Call after `attributesOf`, which checks the length. */
export const decodeTrafficHeader = ({ bytes, start }: Message): TrafficHeader => ({
  device: bytes.readInt32LE(start + 4),
  handle: bytes.readUInt32LE(start + 8),
  parent: bytes.readUInt32LE(start + 12),
  info: bytes.readUInt32LE(start + 16),
});
