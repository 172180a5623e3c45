// A state folder whose disk becomes read-only or full under it, and writable again, and who may have it meanwhile.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '@nsm/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateFolder } from './state-folder.js';

describe.skipIf(!requireRoot('state folders on disks that take nothing'))('StateFolder', () => {
  let folder: string;
  let disk: string;
  const taken: StateFolder[] = [];
  const told: string[] = [];
  const note = (_: object, message: string): void => void told.push(message);
  const logger = { error: note, warn: note, info: note };
  const mount = (...words: string[]): void => void execFileSync('mount', words);
  const take = (name = 'stand-in'): string => {
    const options = { standIn: join(folder, name), holder: `manager ${name}`, logger };
    const state = StateFolder.take(join(disk, 'state'), options);
    taken.push(state);
    return state.path;
  };
  const letGo = (): void => {
    for (const state of taken.splice(0)) state[Symbol.dispose]();
  };
  const contentsOf = (path: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'utf8')]),
    );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-state-'));
    disk = join(folder, 'disk');
    mkdirSync(disk);
    mount('-t', 'tmpfs', '-o', 'size=64k,nr_inodes=16', 'nsm-state', disk);
    told.length = 0;
  });
  afterEach(() => {
    letGo();
    execFileSync('umount', [disk]);
    rmSync(folder, { recursive: true });
  });

  const ballast = Array.from({ length: 16 }, (_, n) => `ballast-${n}`);
  const takesNothing: [string, () => void, () => void][] = [
    ['read-only', () => mount('-o', 'remount,ro', disk), () => mount('-o', 'remount,rw', disk)],
    [
      'full',
      () => {
        for (const name of ballast) {
          try {
            writeFileSync(join(disk, name), '');
          } catch {
            // That is what it is for.
          }
        }
      },
      () => {
        for (const name of ballast) rmSync(join(disk, name), { force: true });
      },
    ],
  ];

  it.each(takesNothing)('goes on with a copy while the disk is %s, and brings it back', (_, begin, end) => {
    const state = take();
    expect(state).toBe(join(disk, 'state'));
    mkdirSync(join(state, 'connections'));
    writeFileSync(join(state, 'connections', 'one'), 'before');
    letGo();
    begin();
    const copy = take();
    expect(copy).toBe(join(folder, 'stand-in'));
    expect(told).toEqual([expect.stringContaining('a copy stands in for it')]);
    expect(readFileSync(join(copy, 'connections', 'one'), 'utf8')).toBe('before');
    rmSync(join(copy, 'connections', 'one'));
    writeFileSync(join(copy, 'connections', 'two'), 'meanwhile');
    letGo();
    // A restart goes on with what there is now.
    expect(take()).toBe(copy);
    expect(existsSync(join(copy, 'connections', 'two'))).toBe(true);
    letGo();
    end();
    expect(take()).toBe(state);
    expect(existsSync(copy)).toBe(false);
    expect(contentsOf(state)).toEqual({ lock: `manager stand-in, pid ${process.pid}\n`, two: 'meanwhile' });
  });

  it.each(takesNothing)('is not taken from a process whose disk was %s when it began', (_, begin, end) => {
    for (const before of [() => undefined, () => writeFileSync(join(take(), 'one'), 'before')]) {
      before();
      letGo();
      begin();
      const copy = take();
      writeFileSync(join(copy, 'live'), 'mine');
      const contents = contentsOf(copy);
      expect(() => take()).toThrow(/is in use by manager stand-in, pid \d+; give each its own --state-dir$/);
      end();
      // The second one has the disk, and must not bring back what the first one writes to.
      expect(() => take()).toThrow(expect.objectContaining({ code: 'NSM0105' }));
      expect(contentsOf(copy)).toEqual(contents);
      letGo();
      expect(contentsOf(take())).toMatchObject({ live: 'mine' });
      letGo();
    }
  });

  it.each(takesNothing)(
    'tells while the disk is %s, and leaves nothing of the trial',
    async (name, begin, end) => {
      const path = take();
      const [state] = taken;
      expect(await state?.refusal()).toBe('');
      letGo();
      begin();
      expect(await state?.refusal()).toMatch(
        new RegExp(`^nothing can be written to ${path}: .*${name === 'full' ? 'ENOSPC' : 'EROFS'}`),
      );
      end();
      expect(await state?.refusal()).toBe('');
      expect(readdirSync(path)).not.toContain('.trial');
    },
  );

  it('is copied to one place only, by the process that has it', () => {
    writeFileSync(join(take(), 'one'), 'before');
    letGo();
    mount('-o', 'remount,ro', disk);
    take('first');
    expect(() => take('second')).toThrow(expect.objectContaining({ code: 'NSM0105' }));
    expect(existsSync(join(folder, 'second'))).toBe(false);
  });

  it('is let go of when it cannot be had', () => {
    writeFileSync(join(disk, 'state'), '');
    expect(() => take()).toThrow(/--state-dir .*: a part of the path is a file/);
    rmSync(join(disk, 'state'));
    take('first');
    expect(() => take('second')).toThrow(`${disk}/state is in use by manager first, pid ${process.pid}`);
    letGo();
    take('second');
  });
});
