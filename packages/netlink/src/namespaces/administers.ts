// Whether a process may change a network namespace: what it has CAP_NET_ADMIN over, as the kernel judges it (user_namespaces(7)).
import { fstatSync, readFileSync, statSync } from 'node:fs';
import { close, ioctlNumber } from '../libc/libc.js';
import type { NetworkNamespace } from './network-namespace.js';

/** Bits of the capabilities that the mesh asks about (linux/capability.h). */
const capabilityNumbers = {
  CAP_NET_BROADCAST: 11,
  CAP_NET_ADMIN: 12,
  CAP_NET_RAW: 13,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
} as const;

/** linux/nsfs.h: a descriptor of the user namespace that owns a namespace. */
const NS_GET_USERNS = 0xb701;
/** PROC_USER_INIT_INO of linux/proc_ns.h: the user namespace that all others are in. */
const initialUserNamespace = 4026531837;

/** The effective capabilities of a process, bit by bit. @throws Error of the file system where there is no such process */
function effectiveCapabilities(pid: number | 'self'): bigint {
  const [, digits = '0'] = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return BigInt(`0x${digits}`);
}

/** @throws Error of the file system where there is no such process */
export function hasCapability(name: keyof typeof capabilityNumbers, pid: number | 'self' = 'self'): boolean {
  return ((effectiveCapabilities(pid) >> BigInt(capabilityNumbers[name])) & 1n) === 1n;
}

/** Capabilities count in the process's own user namespace, and in those that are in it. False where it cannot be told. */
export function administers(pid: number, namespace: NetworkNamespace): boolean {
  try {
    if (!hasCapability('CAP_NET_ADMIN', pid)) return false;
    const own = statSync(`/proc/${pid}/ns/user`).ino;
    return own === initialUserNamespace || own === ownerOfNamespace(namespace.fd);
  } catch {
    return false;
  }
}

/** The inode of the user namespace that owns a namespace; undefined where that is none of this process's, or of those in it. */
export function ownerOfNamespace(fd: number): number | undefined {
  const owner = ioctlNumber(fd, NS_GET_USERNS, 0);
  if (owner < 0) return undefined;
  try {
    return fstatSync(owner).ino;
  } finally {
    close(owner);
  }
}
