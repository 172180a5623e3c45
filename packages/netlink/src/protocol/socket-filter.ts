// Classic BPF filters on sockets (linux/filter.h): the kernel drops what would not be read.
import * as libc from '../libc/libc.js';
import { RTM_NEWLINK, RTM_NEWROUTE } from './route-messages.js';

const SO_ATTACH_FILTER = 26;
/** `struct sock_filter`: code, jumps when true and when false, operand. */
export type FilterInstruction = readonly [code: number, yes: number, no: number, operand: number];

// BPF_LD|BPF_H|BPF_ABS and so on. Loads are big-endian, netlink is in the order of the host.
const loadHalf = 0x28;
const loadByte = 0x30;
const ifEqual = 0x15;
const ifAnyBit = 0x45;
const keepBits = 0x54;
const give = 0x06;

/** Offsets in a message: nlmsg_type, and the upper byte of nlmsg_flags (linux/netlink.h). */
const typeAt = 4;
const upperFlagsAt = 7;
/** NLM_F_REPLACE in that byte. */
const replaced = 1;

/** Passes what route-events.ts `mayTellOfLoss` would pass. */
const losses: readonly FilterInstruction[] = [
  [loadHalf, 0, 0, typeAt],
  [ifEqual, 6, 0, RTM_NEWLINK << 8],
  [ifEqual, 0, 2, RTM_NEWROUTE << 8],
  [loadByte, 0, 0, upperFlagsAt],
  [ifAnyBit, 3, 4, replaced],
  [loadByte, 0, 0, typeAt],
  [keepBits, 0, 0, 3],
  [ifEqual, 0, 1, 1],
  [give, 0, 0, 0xffff_ffff],
  [give, 0, 0, 0],
];

/** Bytes of a `struct sock_filter`. */
export const filterInstructionSize = 8;

/** A program as the kernel and libpcap have it in memory. */
export const encodeFilter = (instructions: readonly FilterInstruction[]): Buffer => {
  const program = Buffer.alloc(filterInstructionSize * instructions.length);
  for (const [index, [code, yes, no, operand]] of instructions.entries()) {
    const at = program.writeUInt16LE(code, filterInstructionSize * index);
    program.writeUInt8(yes, at);
    program.writeUInt8(no, at + 1);
    program.writeUInt32LE(operand, at + 2);
  }
  return program;
};

/**
 * Has a socket receive only what a program gives more than 0 for. The kernel refuses programs that could harm it.
 * @returns −EINVAL for such a program.
 */
export const attachFilter = (fd: number, program: Buffer): libc.SystemResult => {
  // struct sock_fprog: a length, padding, a pointer.
  const description = Buffer.alloc(16);
  description.writeUInt16LE(program.length / filterInstructionSize, 0);
  description.writeBigUInt64LE(libc.addressOf(program), 8);
  return libc.setSocketOptionBytes(fd, libc.SOL_SOCKET, SO_ATTACH_FILTER, description);
};

/**
 * Has a netlink socket receive losses only. Every message of a datagram is judged by the first; notifications have but one.
 * Where the kernel refuses, everything arrives as before.
 */
export const receiveLossesOnly = (fd: number): void => {
  attachFilter(fd, encodeFilter(losses));
};
