// What becomes of the folders that flags name.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareFolder } from './prepare-folder.js';

describe('prepareFolder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-folder-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes what is missing, closed as asked, and leaves nothing in it', () => {
    const path = join(folder, 'a', 'b');
    prepareFolder('--state-dir', path, 0o700);
    prepareFolder('--state-dir', path, 0o700);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(path)).toEqual([]);
  });

  it('names the flag and what is wrong', () => {
    writeFileSync(join(folder, 'file'), '');
    for (const path of [join(folder, 'file'), join(folder, 'file', 'below')])
      expect(() => prepareFolder('--state-dir', path)).toThrow(
        `--state-dir ${path}: a part of the path is a file, not a folder; choose another with --state-dir`,
      );
    expect(() => prepareFolder('--run-dir', '/proc/nsm/run')).toThrow(
      expect.objectContaining({
        code: 'NSM0101',
        message: expect.stringContaining('no folder can be made there'),
      }),
    );
    expect(existsSync('/proc/nsm')).toBe(false);
  });
});
