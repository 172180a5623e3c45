// bpf(2): its commands, and errors that say what was tried (include/uapi/linux/bpf.h).
import { bpf } from '../libc/libc-syscalls.js';
import { check } from '../libc/netlink-error.js';

export const BPF = {
  lookup: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  attach: 8,
  detach: 9,
  testRun: 10,
  programById: 13,
  mapById: 14,
  info: 15,
  query: 16,
} as const;

/** @throws NetlinkError */
export const callBpf = (command: number, attributes: Uint8Array, operation: string, object: string): number =>
  check(bpf(command, attributes), operation, object);

/** A descriptor of the program or map with that id. Needs CAP_SYS_ADMIN. @throws NetlinkError ENOENT: there is none */
export const openById = (command: 13 | 14, id: number, object: string): number => {
  const attributes = Buffer.alloc(12);
  attributes.writeUInt32LE(id, 0);
  return callBpf(command, attributes, 'open', object);
};
