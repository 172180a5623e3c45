// Whether a folder is safe to work in: one that another user can change, or put another in the place of, is not.
import { lstatSync, realpathSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

export interface FolderTrust {
  /** Users who may own the folder itself, besides root and this process's user. */
  readonly owners?: readonly number[];
  /** Groups that may write to the folder itself, besides root's and this process's group. */
  readonly groups?: readonly number[];
  /** Others may not even look into the folder. Default: false. */
  readonly closed?: boolean;
}

const writable = { group: 0o020, others: 0o002 };
const sticky = 0o1000;

/**
 * Why others than root and this process's user can change what is in the folder, or exchange it, in words that follow its path; ''
 * when they cannot. What is missing of the path is for this process to make, and does not count. Folders above may be shared as
 * /tmp is (sticky: entries belong to who made them).
 */
export function whyUntrusted(folder: string, trust: FolderTrust = {}): string {
  const path = resolve(folder);
  // The path as it is named, whose links others must not turn, and where it leads.
  return whyUntrustedPath(path, trust) || whyUntrustedPath(realPath(path), trust);
}

function whyUntrustedPath(folder: string, trust: FolderTrust): string {
  for (let path = folder; ; path = dirname(path)) {
    const stat = entryAt(path);
    const why = stat ? whyUntrustedEntry(stat, path === folder ? trust : undefined) : '';
    if (why !== '') return path === folder ? why : `is in ${path}, which ${why}`;
    if (path === dirname(path)) return '';
  }
}

/** What cannot be looked at cannot be used either: whoever uses it is told why. */
function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** @param trust undefined for folders above. */
function whyUntrustedEntry(stat: Stats, trust: FolderTrust | undefined): string {
  const { uid, gid, mode } = stat;
  // In a user namespace root's files may be those of a user that it does not know, as / is.
  const owners = [0, process.geteuid?.(), lstatSync('/').uid, ...(trust?.owners ?? [])];
  if (!owners.includes(uid)) return `belongs to user ${uid}`;
  if (!stat.isDirectory()) return '';
  const groups = [0, process.getegid?.(), ...(trust?.groups ?? [])];
  const shared = (mode & writable.others) !== 0 || ((mode & writable.group) !== 0 && !groups.includes(gid));
  if (shared && (trust || (mode & sticky) === 0)) return 'can be written to by others';
  return trust?.closed && (mode & 0o077) !== 0 ? 'is open to others' : '';
}

/** Of the part that exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path === '/' ? path : join(realPath(dirname(path)), basename(path));
  }
}
