// eBPF programs on a device by tcx, Linux 6.6 and later: an ordered list at each of its two hooks, run before any traffic
// filter (include/uapi/linux/bpf.h, BPF_TCX_INGRESS and BPF_TCX_EGRESS).
import { BPF, callBpf, openById } from '../bpf/bpf-call.js';
import { describeProgram } from '../bpf/bpf-object.js';
import { EINVAL } from '../libc/errno.js';
import { addressOf, close } from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';

/** Where packets come in by a device, or leave by it. */
export type TcxHook = 'ingress' | 'egress';

const HOOKS: Readonly<Record<TcxHook, number>> = { ingress: 46, egress: 47 };
const BPF_F_REPLACE = 4;
const BPF_F_BEFORE = 8;
/** A hook takes as many (BPF_MPROG_MAX, linux/bpf_mprog.h). */
const MAX_PROGRAMS = 64;

const nameOf = (device: number, hook: TcxHook): string => `${hook} of #${device}`;

/**
 * Ids of the programs at a hook, in the order in which they run. The device is one of the calling thread's namespace.
 * @throws NetlinkError ENODEV; EINVAL: this kernel has no tcx
 */
export const tcxPrograms = (device: number, hook: TcxHook): number[] => {
  const ids = Buffer.alloc(4 * MAX_PROGRAMS);
  const attributes = Buffer.alloc(64);
  attributes.writeUInt32LE(device, 0);
  attributes.writeUInt32LE(HOOKS[hook], 4);
  attributes.writeBigUInt64LE(addressOf(ids), 16);
  attributes.writeUInt32LE(MAX_PROGRAMS, 24);
  try {
    callBpf(BPF.query, attributes, 'list eBPF programs', nameOf(device, hook));
  } catch (error) {
    // Nothing was ever put there.
    if (error instanceof NetlinkError && error.code === 'ENOENT') return [];
    throw error;
  }
  return Array.from({ length: attributes.readUInt32LE(24) }, (_, n) => ids.readUInt32LE(4 * n));
};

/**
 * Puts a program before all others at a hook, where it stays until it is taken off or the device goes; or in the place of one.
 * @param fd descriptor of the program; it may be closed afterwards.
 * @param replaced id of the program whose place it takes. Default: it becomes the first.
 * @throws NetlinkError EEXIST: it is there already; ENODEV; EPERM: CAP_NET_ADMIN and CAP_BPF are needed
 */
export const attachTcx = (device: number, hook: TcxHook, fd: number, replaced?: number): void => {
  const attributes = Buffer.alloc(32);
  attributes.writeUInt32LE(device, 0);
  attributes.writeUInt32LE(fd, 4);
  attributes.writeUInt32LE(HOOKS[hook], 8);
  attributes.writeUInt32LE(replaced === undefined ? BPF_F_BEFORE : BPF_F_REPLACE, 12);
  withProgram(replaced, (descriptor) => {
    attributes.writeUInt32LE(descriptor, 16);
    callBpf(BPF.attach, attributes, 'attach eBPF program', `to ${nameOf(device, hook)}`);
  });
};

/** Takes a program off a hook. @throws NetlinkError ENOENT: it is not there */
export const detachTcx = (device: number, hook: TcxHook, id: number): void => {
  const attributes = Buffer.alloc(32);
  attributes.writeUInt32LE(device, 0);
  attributes.writeUInt32LE(HOOKS[hook], 8);
  withProgram(id, (descriptor) => {
    attributes.writeUInt32LE(descriptor, 4);
    callBpf(BPF.detach, attributes, 'detach eBPF program', `from ${nameOf(device, hook)}`);
  });
};

/** Name of a loaded program, its first 15 characters; undefined when it has gone. Needs CAP_SYS_ADMIN. @throws NetlinkError */
export const programName = (id: number): string | undefined => {
  try {
    return withProgram(id, (descriptor) => describeProgram(descriptor).name);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENOENT') return undefined;
    throw error;
  }
};

/** Whether the kernel has tcx. */
export const hasTcx = (): boolean => {
  try {
    tcxPrograms(1, 'ingress');
    return true;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === EINVAL) return false;
    throw error;
  }
};

const withProgram = <T>(id: number | undefined, use: (descriptor: number) => T): T => {
  if (id === undefined) return use(0);
  const descriptor = openById(BPF.programById, id, `eBPF program #${id}`);
  try {
    return use(descriptor);
  } finally {
    close(descriptor);
  }
};
