// The file of a unix socket by a path that a stranger chose. To look a name up may take for ever where a process is the file system (FUSE,
// and what lies above it): that is not left to strangers.
import { fstatSync, statSync } from 'node:fs';
import * as libc from '../libc/libc.js';
import { AT_FDCWD, openBeneath, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from '../libc/libc-syscalls.js';
import { check, NetlinkError } from '../libc/netlink-error.js';
import { ownerOfNamespace } from '../namespaces/administers.js';

const [EPERM, ELOOP] = [1, 40];

/**
 * Opens the file, and nothing of it: the socket is connected to by `/proc/self/fd/N` of the descriptor. No symbolic link at the end is
 * followed; links of folders are, but none of /proc.
 * @param path of this process's files; or `/proc/PID/root/…` of those of a process, whose absolute links count from its root.
 * @throws NetlinkError ELOOP: there is such a link; EPERM: a user namespace has mounted the files of that process; ENOENT, EACCES, EMFILE
 */
export function openSocketFile(path: string): number {
  const [, pid, within = ''] = /^\/proc\/(\d+)\/root(\/.*)$/.exec(path) ?? [];
  const flags = libc.O_PATH | libc.O_NOFOLLOW | libc.O_CLOEXEC;
  const open = (folder: number, name: string, resolve: number): number =>
    check(openBeneath(folder, name, flags, resolve), 'open', path);
  const fd =
    pid === undefined
      ? open(AT_FDCWD, path, RESOLVE_NO_MAGICLINKS)
      : inRootOf(pid, path, (root) => open(root, within, RESOLVE_IN_ROOT));
  if (!fstatSync(fd).isSymbolicLink()) return fd;
  libc.close(fd);
  throw new NetlinkError(ELOOP, 'open', path);
}

function inRootOf(pid: string, path: string, use: (root: number) => number): number {
  const opened: number[] = [];
  const open = (folder: number, name: string, flags: number): number => {
    const fd = check(openBeneath(folder, name, flags | libc.O_CLOEXEC, 0), 'open', path);
    opened.push(fd);
    return fd;
  };
  try {
    // Held: what follows is told of this process, and not of a later one with its number.
    const process = open(AT_FDCWD, `/proc/${pid}`, libc.O_PATH);
    const root = open(process, 'root', libc.O_PATH);
    // After the root: whoever has had a user namespace's mounts does not come back from them.
    const mounts = open(process, 'ns/mnt', libc.O_RDONLY);
    if (ownerOfNamespace(mounts) !== statSync('/proc/self/ns/user').ino)
      throw new NetlinkError(EPERM, 'open', path, { text: 'its files are mounted by a user namespace' });
    return use(root);
  } finally {
    for (const fd of opened) libc.close(fd);
  }
}
