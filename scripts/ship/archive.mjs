// Archives whose bytes depend on nothing but the names, contents and modes of the files in them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/** Seconds since 1970 that files in archives bear: https://reproducible-builds.org/specs/source-date-epoch/ */
export const date = Number(process.env.SOURCE_DATE_EPOCH ?? 0);

/** A tar file of a folder's content, owned by root. Names begin with `prefix`. */
export function tar(folder, file, prefix = '') {
  const same = [
    '--format=gnu',
    '--sort=name',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    `--mtime=@${date}`,
  ];
  const names = prefix === '' ? [] : [`--transform=flags=r;s|^\\.|${prefix}|`];
  const { status, stderr, error } = spawnSync('tar', [...same, ...names, '-C', folder, '-cf', file, '.'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw error ?? new Error(`tar: ${stderr}`);
}

/** Compressed content of a file. */
export const gzip = (file) => gzipSync(readFileSync(file), { level: 4 });

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
