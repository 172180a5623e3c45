// A folder of state belongs to one process, until that ends.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderLock } from './folder-lock.js';

describe('FolderLock', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-lock-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const take = `
    import { FolderLock } from ${JSON.stringify(new URL('./folder-lock.js', import.meta.url).href)};
    FolderLock.take(${JSON.stringify('FOLDER')}, 'manager node-a');
    console.log('taken');
  `;
  const program = (rest = ''): string[] => [
    '--input-type=module',
    '-e',
    take.replace('FOLDER', folder) + rest,
  ];

  it('says who has it, and is free again', () => {
    {
      using _lock = FolderLock.take(folder, 'manager node-a');
      expect(() => FolderLock.take(folder, 'manager node-b')).toThrow(
        expect.objectContaining({
          code: 'NSM0105',
          message: `${folder} is in use by manager node-a, pid ${process.pid}; give each its own --state-dir`,
        }),
      );
    }
    FolderLock.take(folder, 'manager node-b')[Symbol.dispose]();
  });

  it.each<[string, (path: string) => void]>([
    ['a FIFO', (path) => execFileSync('mkfifo', [path])],
    ['a folder', (path) => mkdirSync(path)],
    ['a link to a device', (path) => symlinkSync('/dev/full', path)],
  ])('takes a folder whose lock is %s', (_, make) => {
    make(join(folder, 'lock'));
    const told: object[] = [];
    using _lock = FolderLock.take(folder, 'manager node-a', {
      info() {},
      warn() {},
      error: (fields) => void told.push(fields),
    });
    expect(() => FolderLock.take(folder, 'manager node-b')).toThrow(/is in use by manager node-a/);
    expect(readdirSync(folder).toSorted()).toEqual(['lock', expect.stringMatching(/^lock\.damaged-\d+$/)]);
    expect(told).toMatchObject([{ path: join(folder, 'lock'), reason: 'it is no regular file' }]);
  });

  it('is not outlived by a process that is killed', async () => {
    const holder = spawn(process.execPath, program('setInterval(() => {}, 1e6);'));
    try {
      await once(holder.stdout, 'data');
      expect(() => FolderLock.take(folder, 'manager node-b')).toThrow(`manager node-a, pid ${holder.pid}`);
    } finally {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    expect(execFileSync(process.execPath, program(), { encoding: 'utf8' })).toBe('taken\n');
  });
});
