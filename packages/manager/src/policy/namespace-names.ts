// The name of a network namespace under /run/netns, by its inode.
import { readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

const folder = '/run/netns';

/**
 * Remembers names, and never trusts what it remembers: a name is checked at each use, because another namespace may have got the
 * inode.
 */
export class NamespaceNames {
  #names = new Map<number, string>();
  /** When the folder was read last; undefined when a name in it had no namespace yet. */
  #readAt: number | undefined;

  /** '' for a namespace without a name. */
  of(inode: number): string {
    if (inode === 0) return '';
    const known = this.#names.get(inode);
    if (known !== undefined && entry(known)?.ino === inode) return known;
    if (known === undefined && this.#readAt !== undefined && this.#readAt === changedAt()) return '';
    this.#read();
    return this.#names.get(inode) ?? '';
  }

  #read(): void {
    const changed = changedAt();
    const names = new Map<number, string>();
    let complete = true;
    for (const name of namesIn(folder)) {
      const stat = entry(name);
      // `ip netns add` makes the file first, and mounts the namespace on it.
      if (!stat || stat.size > 0 || stat.dev === folderDevice()) complete = false;
      else if (!names.has(stat.ino)) names.set(stat.ino, name);
    }
    this.#names = names;
    this.#readAt = complete ? changed : undefined;
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).toSorted();
  } catch {
    return [];
  }
}

function entry(name: string): Stats | undefined {
  return statSync(join(folder, name), { throwIfNoEntry: false });
}

function folderDevice(): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.dev;
}

/** -1 where there is no such folder. */
function changedAt(): number {
  return statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? -1;
}
