// Which folders sockets can be served in.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepareRunDir } from './prepare-run-dir.js';

describe('prepareRunDir', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nsm-folder-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('refuses a folder whose sockets nobody could serve, before anything is made', () => {
    const path = join(folder, 'x'.repeat(92 - folder.length - 1));
    prepareRunDir(path);
    expect(() => prepareRunDir(`${path}x`)).toThrow('longer than 92 bytes');
    expect(existsSync(`${path}x`)).toBe(false);
  });
});
