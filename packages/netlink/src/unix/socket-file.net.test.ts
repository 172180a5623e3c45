// Files of other processes are opened where nobody can make a lookup wait, as those processes see them.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as libc from '../libc/libc.js';
import { openSocketFile } from './socket-file.js';

describe.skipIf(!requireRoot('files of processes'))('the file of a socket', () => {
  let folder: string;
  let process: ChildProcess;
  const start = async (...unshare: readonly string[]): Promise<void> => {
    const script = `cd ${folder} && mount -t tmpfs t memory && mount -t hugetlbfs h huge && touch memory/s huge/s; echo ready; exec sleep 60`;
    process = spawn('unshare', [...unshare, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(process.stdout!, 'data');
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-socket-file-'));
    for (const name of ['memory', 'huge']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 's'), '');
    symlinkSync(join(folder, 'memory'), join(folder, 'link'));
    symlinkSync(folder, join(folder, 'own'));
    symlinkSync('s', join(folder, 'last'));
  });
  afterEach(() => {
    process?.kill();
    rmSync(folder, { recursive: true });
  });

  const inode = (path: string): number => {
    const fd = openSocketFile(path);
    const { ino } = fstatSync(fd);
    libc.close(fd);
    return ino;
  };
  const inRoot = (name: string): string => `/proc/${process.pid}/root${folder}/${name}`;

  it('is found in files of this process, by links of folders', () => {
    const { ino } = statSync(join(folder, 's'));
    expect([inode(join(folder, 's')), inode(join(folder, 'own', 's'))]).toEqual([ino, ino]);
    expect(() => openSocketFile(join(folder, 'last'))).toThrow(/ELOOP/);
    expect(() => openSocketFile(`/proc/self/root${folder}/s`)).toThrow(/ELOOP/);
  });

  it('is found in files of another process, in memory and on disks alone', async () => {
    await start('--mount', '--propagation', 'private');
    const { ino } = statSync(join(folder, 's'));
    expect([inode(inRoot('s')), inode(inRoot('own/s'))]).toEqual([ino, ino]);
    expect(inode(inRoot('memory/s'))).toBe(statSync(inRoot('memory/s')).ino);
    expect(() => openSocketFile(inRoot('huge/s'))).toThrow(/EPERM: .*in a file system of type hugetlbfs/);
    expect(() => openSocketFile(inRoot('link/s'))).toThrow(/EXDEV/);
    expect(() => openSocketFile(inRoot('last'))).toThrow(/ELOOP/);
    expect(() => openSocketFile(inRoot('nothing'))).toThrow(/ENOENT/);
  });

  it('is not looked for in files that a user namespace has mounted', async () => {
    await start('--user', '--map-root-user', '--mount');
    expect(() => openSocketFile(inRoot('s'))).toThrow(/EPERM: .*mounted by a user namespace/);
  });
});
