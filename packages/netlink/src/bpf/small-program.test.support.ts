// The smallest eBPF program, for suites that need some program.
import * as libc from '../libc/libc.js';
import { bpf } from '../libc/libc-syscalls.js';

/** r0 = verdict; exit. @returns the descriptor of the program, or the negative number of an error. */
export function loadProgram(verdict: number): number {
  const instructions = Buffer.alloc(16);
  instructions.writeUInt8(0xb7, 0);
  instructions.writeInt32LE(verdict, 4);
  instructions.writeUInt8(0x95, 8);
  const license = Buffer.from('GPL\0');
  const attributes = Buffer.alloc(64);
  // BPF_PROG_TYPE_SCHED_CLS, two instructions, licence (linux/bpf.h, BPF_PROG_LOAD).
  attributes.writeUInt32LE(3, 0);
  attributes.writeUInt32LE(2, 4);
  attributes.writeBigUInt64LE(libc.addressOf(instructions), 8);
  attributes.writeBigUInt64LE(libc.addressOf(license), 16);
  return bpf(5, attributes);
}
