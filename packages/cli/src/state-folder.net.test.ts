// A state folder whose disk becomes read-only or full under it, and writable again.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareStateFolder } from './state-folder.js';

describe.skipIf(!requireRoot('state folders on disks that take nothing'))('prepareStateFolder', () => {
  let folder: string;
  let disk: string;
  const told: string[] = [];
  const logger = {
    error: (_: object, message: string) => void told.push(message),
    info: (_: object, message: string) => void told.push(message),
  };
  const mount = (...words: string[]): void => void execFileSync('mount', words);
  const prepare = (): string => prepareStateFolder(join(disk, 'state'), join(folder, 'stand-in'), logger);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-state-'));
    disk = join(folder, 'disk');
    mkdirSync(disk);
    mount('-t', 'tmpfs', '-o', 'size=64k,nr_inodes=16', 'nsm-state', disk);
    told.length = 0;
  });
  afterEach(() => {
    execFileSync('umount', [disk]);
    rmSync(folder, { recursive: true });
  });

  const takesNothing: [string, () => void, () => void][] = [
    ['read-only', () => mount('-o', 'remount,ro', disk), () => mount('-o', 'remount,rw', disk)],
    [
      'full',
      () => {
        for (let n = 0; n < 16; n++) {
          try {
            writeFileSync(join(disk, `ballast-${n}`), '');
          } catch {
            // That is what it is for.
          }
        }
      },
      () => {
        for (let n = 0; n < 16; n++) rmSync(join(disk, `ballast-${n}`), { force: true });
      },
    ],
  ];
  it.each(takesNothing)('goes on with a copy while the disk is %s, and brings it back', (_, begin, end) => {
    const state = prepare();
    expect(state).toBe(join(disk, 'state'));
    mkdirSync(join(state, 'connections'));
    writeFileSync(join(state, 'connections', 'one'), 'before');
    writeFileSync(join(state, 'lock'), 'mine');
    begin();
    const copy = prepare();
    expect(copy).toBe(join(folder, 'stand-in'));
    expect(told).toEqual([expect.stringContaining('a copy stands in for it')]);
    expect(readFileSync(join(copy, 'connections', 'one'), 'utf8')).toBe('before');
    rmSync(join(copy, 'connections', 'one'));
    writeFileSync(join(copy, 'connections', 'two'), 'meanwhile');
    // A restart goes on with what there is now.
    expect(prepare()).toBe(copy);
    expect(existsSync(join(copy, 'connections', 'two'))).toBe(true);
    end();
    expect(prepare()).toBe(state);
    expect(existsSync(copy)).toBe(false);
    expect(existsSync(join(state, 'connections', 'one'))).toBe(false);
    expect(readFileSync(join(state, 'connections', 'two'), 'utf8')).toBe('meanwhile');
    expect(readFileSync(join(state, 'lock'), 'utf8')).toBe('mine');
  });

  it('refuses what cannot become a folder', () => {
    writeFileSync(join(disk, 'state'), '');
    expect(prepare).toThrow(/--state-dir .*: a part of the path is a file/);
  });
});
