// System calls that libc does not wrap, by their numbers.
import { close, define, type SystemResult } from './libc.js';

const syscallNumbers = define<[number, number, number, number]>(
  'long syscall(long number, long a, long b, long c)',
);
// The same number on every architecture: the call is newer than the unified table (Linux 5.3).
const SYS_PIDFD_OPEN = 434;
/** pidfd_open(2): a descriptor that becomes readable when the process has ended. */
export const pidfdOpen = (pid: number, flags: number): SystemResult =>
  syscallNumbers(SYS_PIDFD_OPEN, pid, flags, 0);

const syscallFive = define<[number, number, number, number, number, number]>(
  'long syscall(long number, long a, long b, long c, long d, long e)',
);
const syscallName = define<[number, string, number]>(
  'long syscall(long number, const char *name, long flags)',
);
// As pidfd_open, and linux/mount.h.
const [SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT] = [430, 431, 432];
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;
const MOUNT_ATTR_NOSUID_NODEV_NOEXEC = 2 | 4 | 8;
/** fsopen(2) of a new /proc, ready for `fsmount`. Needs CAP_SYS_ADMIN. */
export const fsopenProc = (): SystemResult => {
  const context = syscallName(SYS_FSOPEN, 'proc', FSOPEN_CLOEXEC);
  const made = context < 0 ? context : syscallFive(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
  if (made >= 0 || context < 0) return context;
  close(context);
  return made;
};
/** fsmount(2): a descriptor of a mount that is nowhere, and ends with the descriptor. */
export const fsmount = (context: number): SystemResult =>
  syscallNumbers(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID_NODEV_NOEXEC);

const syscallOpen = define<[number, number, string, Uint8Array, number]>(
  'long syscall(long number, long folder, const char *path, const void *how, unsigned long size)',
);
// As pidfd_open (Linux 5.6).
const SYS_OPENAT2 = 437;
/** linux/openat2.h: into no other mount. */
export const RESOLVE_NO_XDEV = 0x01;
/** No link of /proc such as /proc/PID/root is passed. */
export const RESOLVE_NO_MAGICLINKS = 0x02;
/** The folder is the root, of absolute links as well. */
export const RESOLVE_IN_ROOT = 0x10;
export const AT_FDCWD = -100;
/** openat2(2) without a mode: nothing is made. @param resolve RESOLVE_, or 0 */
export const openBeneath = (folder: number, path: string, flags: number, resolve: number): SystemResult => {
  // struct open_how: flags, mode, resolve.
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags), 0);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  return syscallOpen(SYS_OPENAT2, folder, path, how, how.length);
};

const syscallBuffer = define<[number, number, Uint8Array, number]>(
  'long syscall(long number, long command, void *attributes, unsigned long size)',
);
const SYS_BPF: Readonly<Record<string, number>> = { x64: 321, ia32: 357, arm: 386, arm64: 280, riscv64: 280 };
/** bpf(2), which libc does not wrap; `attributes` is a raw `union bpf_attr` (linux/bpf.h). */
export const bpf = (command: number, attributes: Uint8Array): SystemResult =>
  syscallBuffer(SYS_BPF[process.arch] ?? -1, command, attributes, attributes.length);
