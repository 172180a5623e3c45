// The file of a unix socket by a path that a stranger chose. To look a name up may take for ever where a process is the file system (FUSE,
// and what lies above it), or another machine (NFS): that is not left to strangers.
import { fstatSync, readFileSync, statSync } from 'node:fs';
import * as libc from '../libc/libc.js';
import {
  AT_FDCWD,
  openBeneath,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_XDEV,
} from '../libc/libc-syscalls.js';
import { check, NetlinkError } from '../libc/netlink-error.js';
import { ownerOfNamespace } from '../namespaces/administers.js';

const [EPERM, ELOOP] = [1, 40];
/** File systems that answer by themselves: in memory, on disks of this machine, and above those. */
const local = /^(overlay|tmpfs|ramfs|ext[234]|xfs|btrfs|bcachefs|f2fs|zfs|erofs|squashfs)$/;

/**
 * Opens the file, and nothing of it: the socket is connected to by `/proc/self/fd/N` of the descriptor. No symbolic link at the end is
 * followed; links of folders are, but none of /proc.
 * @param path of this process's files; or `/proc/PID/root/…` of those of a process, whose absolute links count from its root.
 * @throws NetlinkError ELOOP: there is such a link; EPERM: whoever answers for files of that process is not known to answer; EXDEV: a
 * link leads to another file system of that process; ENOENT, EACCES, EMFILE
 */
export function openSocketFile(path: string): number {
  const [, pid, within = ''] = /^\/proc\/(\d+)\/root(\/.*)$/.exec(path) ?? [];
  const flags = libc.O_PATH | libc.O_NOFOLLOW | libc.O_CLOEXEC;
  const open = (folder: number, name: string, resolve: number): number =>
    check(openBeneath(folder, name, flags, resolve), 'open', path);
  const fd =
    pid === undefined
      ? open(AT_FDCWD, path, RESOLVE_NO_MAGICLINKS)
      : inFilesOf(pid, path, within, (top, name) => open(top, name, RESOLVE_IN_ROOT | RESOLVE_NO_XDEV));
  if (!fstatSync(fd).isSymbolicLink()) return fd;
  libc.close(fd);
  throw new NetlinkError(ELOOP, 'open', path);
}

/** @param use is given the top of the file system that the path is in, as the process sees it, and the rest of the path. */
function inFilesOf(
  pid: string,
  path: string,
  within: string,
  use: (top: number, name: string) => number,
): number {
  const opened: number[] = [];
  const open = (folder: number, name: string, flags: number, resolve = 0): number => {
    const fd = check(openBeneath(folder, name, flags | libc.O_CLOEXEC, resolve), 'open', path);
    opened.push(fd);
    return fd;
  };
  const refuse = (text: string): never => {
    throw new NetlinkError(EPERM, 'open', path, { text });
  };
  try {
    // Held: what follows is told of this process, and not of a later one with its number.
    const process = open(AT_FDCWD, `/proc/${pid}`, libc.O_PATH);
    const root = open(process, 'root', libc.O_PATH);
    // After the root: whoever has had a user namespace's mounts does not come back from them.
    const mounts = open(process, 'ns/mnt', libc.O_RDONLY);
    if (ownerOfNamespace(mounts) !== statSync('/proc/self/ns/user').ino)
      refuse('its files are mounted by a user namespace');
    const passed = mountsOf(open(process, 'mountinfo', libc.O_RDONLY)).filter(({ place }) =>
      within.startsWith(place),
    );
    const other = passed.find(({ type }) => !local.test(type));
    if (other) refuse(`it is in a file system of type ${other.type}`);
    const top = passed.reduce((longest, { place }) => (place.length > longest.length ? place : longest), '/');
    return use(open(root, top, libc.O_PATH, RESOLVE_IN_ROOT), within.slice(top.length));
  } finally {
    for (const fd of opened) libc.close(fd);
  }
}

interface Mount {
  /** Ends with a slash. */
  readonly place: string;
  readonly type: string;
}

/** proc_pid_mountinfo(5) of a process, as it sees its root. */
function mountsOf(file: number): Mount[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [where = '', what = ''] = line.split(' - ');
      const place = (where.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      return { place: place.endsWith('/') ? place : `${place}/`, type: what.split(' ', 1)[0] ?? '' };
    });
}
