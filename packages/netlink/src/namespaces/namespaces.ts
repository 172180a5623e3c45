// Finding, listing, making and removing network namespaces, compatible with `ip netns`.
import { mkdirSync, readdirSync, readlinkSync, statSync, unlinkSync } from 'node:fs';
import { EEXIST, EINVAL, ENOENT } from '../libc/errno.js';
import * as libc from '../libc/libc.js';
import { hasCapability } from './administers.js';
import { NamespaceError } from './namespace-error.js';
import {
  checkNamespaceName,
  NAMESPACE_DIRECTORY,
  type NamespaceReference,
  parseNamespaceReference,
} from './namespace-reference.js';
import { NetworkNamespace, OWN_NAMESPACE_PATH, permissionError, returning } from './network-namespace.js';

/** The namespace the calling thread is in. */
export const currentNamespace = (): NetworkNamespace => NetworkNamespace.openPath(OWN_NAMESPACE_PATH);

/**
 * Opens a namespace by reference (see {@link parseNamespaceReference}), by process, or by inode; with an inode, `hint`
 * is a reference to try first, which saves the search. @throws NamespaceError
 */
export const openNamespace = (
  reference: string | { readonly pid: number } | { readonly inode: number; readonly hint?: string },
): NetworkNamespace => {
  if (typeof reference === 'string') return openParsed(parseNamespaceReference(reference), reference);
  if ('pid' in reference) return openNamespace(`/proc/${reference.pid}/ns/net`);
  return openInode(reference.inode, reference.hint);
};

const openParsed = (parsed: NamespaceReference, reference: string): NetworkNamespace =>
  parsed.kind === 'inode' ? openInode(parsed.inode) : NetworkNamespace.openPath(parsed.path, reference);

const openInode = (inode: number, hint?: string): NetworkNamespace => {
  const reference = `net:[${inode}]`;
  if (hint !== undefined) {
    const parsed = parseNamespaceReference(hint);
    const found = parsed.kind === 'inode' ? undefined : openIf(parsed.path, inode);
    if (found !== undefined) return found;
  }
  for (const name of namedNamespaces()) {
    const path = `${NAMESPACE_DIRECTORY}/${name}`;
    if (inodeOfFile(path) !== inode) continue;
    const found = openIf(path, inode);
    if (found !== undefined) return found;
  }
  let hidden = 0;
  for (const pid of processIds()) {
    const seen = inodeOfProcess(pid);
    if (seen === 'hidden') hidden++;
    if (seen !== inode) continue;
    const found = openIf(`/proc/${pid}/ns/net`, inode);
    if (found !== undefined) return found;
  }
  if (hidden > 0 && !hasCapability('CAP_SYS_PTRACE'))
    throw new NamespaceError(
      'denied',
      reference,
      'it has no name, and in which namespaces processes are may not be looked at',
    );
  const suffix = hidden > 0 ? ` (the namespaces of ${hidden} processes may not be looked at)` : '';
  throw new NamespaceError('not-found', reference, `no name and no process has it${suffix}`);
};

// Between the look and the open the path can come to mean another namespace: only the open one counts.
const openIf = (path: string, inode: number): NetworkNamespace | undefined => {
  let namespace: NetworkNamespace;
  try {
    namespace = NetworkNamespace.openPath(path);
  } catch (error) {
    // That a namespace cannot be opened for want of something does not mean that it is not there.
    if (error instanceof NamespaceError && error.code !== 'failed') return undefined;
    throw error;
  }
  if (namespace.inode === inode) return namespace;
  namespace.close();
  return undefined;
};

const namedNamespaces = (): string[] => {
  try {
    return readdirSync(NAMESPACE_DIRECTORY);
  } catch {
    return [];
  }
};

const processIds = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0);

const inodeOfFile = (path: string): number | undefined => {
  try {
    return statSync(path).ino;
  } catch {
    return undefined;
  }
};

const inodeOfProcess = (pid: number): number | 'gone' | 'hidden' => {
  try {
    const inode = /^net:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1];
    return inode === undefined ? 'gone' : Number(inode);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'EACCES' || code === 'EPERM' ? 'hidden' : 'gone';
  }
};

/** Inode of the network namespace a process is in. @throws NamespaceError `not-found` or `denied` */
export const namespaceOfProcess = (pid: number): number => {
  const inode = Number.isInteger(pid) && pid > 0 ? inodeOfProcess(pid) : 'gone';
  const path = `/proc/${pid}/ns/net`;
  if (inode === 'gone') throw new NamespaceError('not-found', path, `no process ${pid}`);
  if (inode === 'hidden') throw new NamespaceError('denied', path, 'the process belongs to someone else');
  return inode;
};

/** A namespace that a name or a process leads to. */
export interface NamespaceEntry {
  readonly inode: number;
  /** A path to open it by: by name if it has one. */
  readonly path: string;
  /** Its names under /run/netns. */
  readonly names: readonly string[];
  /** The processes whose main thread is in it. */
  readonly pids: readonly number[];
}

/** All namespaces that have a name or a process this process may look at, by inode. */
export const listNamespaces = (): NamespaceEntry[] => {
  const entries = new Map<number, { inode: number; path: string; names: string[]; pids: number[] }>();
  const entry = (inode: number, path: string): { names: string[]; pids: number[] } => {
    const known = entries.get(inode) ?? { inode, path, names: [], pids: [] };
    entries.set(inode, known);
    return known;
  };
  for (const name of namedNamespaces()) {
    const path = `${NAMESPACE_DIRECTORY}/${name}`;
    try {
      using namespace = NetworkNamespace.openPath(path);
      entry(namespace.inode, path).names.push(name);
    } catch (error) {
      if (!(error instanceof NamespaceError)) throw error;
    }
  }
  for (const pid of processIds()) {
    const inode = inodeOfProcess(pid);
    if (typeof inode === 'number') entry(inode, `/proc/${pid}/ns/net`).pids.push(pid);
  }
  return [...entries.values()].sort((a, b) => a.inode - b.inode);
};

// As ip(8): the directory becomes a shared mount point of its own, so that namespaces made here are seen, and can be
// removed, from other mount namespaces.
const prepareDirectory = (): void => {
  mkdirSync(NAMESPACE_DIRECTORY, { recursive: true, mode: 0o755 });
  const share = (): number => libc.mount('', NAMESPACE_DIRECTORY, 'none', libc.MS_SHARED | libc.MS_REC, null);
  let result = share();
  if (result === -EINVAL) {
    result = libc.mount(NAMESPACE_DIRECTORY, NAMESPACE_DIRECTORY, 'none', libc.MS_BIND | libc.MS_REC, null);
    if (result >= 0) result = share();
  }
  if (result < 0) throw permissionError(-result, NAMESPACE_DIRECTORY, 'cannot make it a shared mount point');
};

// `ip netns add` takes the same lock, so that two at once do not stack two mounts.
const withDirectoryLocked = (fn: () => void): void => {
  mkdirSync(NAMESPACE_DIRECTORY, { recursive: true, mode: 0o755 });
  const lock = libc.open(NAMESPACE_DIRECTORY, libc.O_DIRECTORY | libc.O_CLOEXEC, 0);
  if (lock < 0) throw permissionError(-lock, NAMESPACE_DIRECTORY, 'cannot open it');
  try {
    libc.flock(lock, libc.LOCK_EX);
    fn();
  } finally {
    libc.close(lock);
  }
};

/**
 * Makes a namespace and gives it a name, like `ip netns add`: nothing in it is up, not even `lo`.
 * @throws NamespaceError `invalid`, `exists`, `denied` (needs CAP_SYS_ADMIN), `failed`
 */
export const createNamespace = (name: string): void => {
  checkNamespaceName(name);
  const path = `${NAMESPACE_DIRECTORY}/${name}`;
  withDirectoryLocked(prepareDirectory);
  const file = libc.open(path, libc.O_RDONLY | libc.O_CREAT | libc.O_EXCL | libc.O_CLOEXEC, 0);
  if (file === -EEXIST) throw new NamespaceError('exists', name, `${path} exists already`);
  if (file < 0) throw permissionError(-file, name, `cannot make ${path}`);
  libc.close(file);
  try {
    returning(name, () => {
      const made = libc.unshare(libc.CLONE_NEWNET);
      if (made < 0) throw permissionError(-made, name, 'cannot make it');
      const mounted = libc.mount(OWN_NAMESPACE_PATH, path, 'none', libc.MS_BIND, null);
      if (mounted < 0) throw permissionError(-mounted, name, `cannot mount it on ${path}`);
    });
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
};

/**
 * Makes a namespace without a name: it goes when it is closed, with all that is in it.
 * @throws NamespaceError `denied` (needs CAP_SYS_ADMIN), `failed`
 */
export const unnamedNamespace = (): NetworkNamespace =>
  returning('a new namespace', () => {
    const made = libc.unshare(libc.CLONE_NEWNET);
    if (made < 0) throw permissionError(-made, 'a new namespace', 'cannot make it');
    return currentNamespace();
  });

/**
 * Takes away a name, like `ip netns delete`. The namespace itself goes, in the background, once no process, socket or
 * descriptor holds it. @throws NamespaceError `invalid`, `not-found`, `denied`, `failed`
 */
export const deleteNamespace = (name: string): void => {
  checkNamespaceName(name);
  const path = `${NAMESPACE_DIRECTORY}/${name}`;
  const unmounted = libc.umount(path, libc.MNT_DETACH);
  if (unmounted === -ENOENT) throw new NamespaceError('not-found', name, `${path} does not exist`);
  // EINVAL: a file left without its mount; removing it is all there is to do.
  if (unmounted < 0 && unmounted !== -EINVAL)
    throw permissionError(-unmounted, name, `cannot unmount ${path}`);
  try {
    unlinkSync(path);
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    throw permissionError(Math.abs(errno), name, `cannot remove ${path}`);
  }
};
