// The folders that daemons write to: made, tried, and refused by the name of the flag that chose them.
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fullDisk, NsmError, systemCodeOf } from '@nsm/api';
import { type FolderTrust, whyUntrusted } from './trusted-folder.js';

const reasons: Readonly<Record<string, readonly [kind: NsmError['kind'], words: string]>> = {
  EACCES: ['privilege', 'this user may not write there'],
  EPERM: ['privilege', 'this user may not write there'],
  EROFS: ['invalid', 'the file system is read-only'],
  ENOTDIR: ['invalid', 'a part of the path is a file, not a folder'],
  ENOENT: ['invalid', 'no folder can be made there'],
};

/**
 * Makes a folder that a flag names, and the folders above it, where they are missing.
 * @param mode permission bits of folders that are made.
 * @param trust who may have the folder besides root and this user.
 * @throws NsmError `privilege`, `invalid`, `disk` or `exhausted` when nothing can be written to it.
 */
export function prepareFolder(flag: string, folder: string, mode = 0o755, trust: FolderTrust = {}): void {
  const untrusted = whyUntrusted(folder, trust);
  if (untrusted !== '')
    throw new NsmError(
      'privilege',
      `${flag} ${folder} ${untrusted}: others could exchange what is in it; ` +
        `chown that folder to this user and chmod go-w it (a tmpfs has mode 1777 unless it is mounted with mode=755), ` +
        `or choose another with ${flag}`,
    );
  try {
    makeFolder(resolve(folder), mode);
    rmdirSync(mkdtempSync(join(folder, '.nsm-')));
  } catch (thrown) {
    const code = systemCodeOf(thrown);
    const known = NsmError.from(thrown);
    if (known.kind === 'exhausted')
      throw new NsmError(known.kind, `${flag} ${folder}: ${known.message}`, thrown);
    const [kind, words] =
      code === 'ENOSPC'
        ? (['disk', fullDisk(folder)] as const)
        : (reasons[code] ?? ['invalid', known.message]);
    throw new NsmError(kind, `${flag} ${folder}: ${words}; choose another with ${flag}`, thrown);
  }
}

/** One after the other: `recursive` of Node.js 20 never ends in /proc, where a folder that exists takes no new ones. */
function makeFolder(path: string, mode: number): void {
  const present = statSync(path, { throwIfNoEntry: false });
  if (present?.isDirectory()) return;
  if (present) throw Object.assign(new Error(`${path} is a file`), { code: 'ENOTDIR' });
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
    // Whatever the umask of this process.
    chmodSync(path, mode);
  } catch (thrown) {
    // Somebody else has just made it.
    if (systemCodeOf(thrown) !== 'EEXIST') throw thrown;
  }
}
