// Folders with whatever pods put into them are removed, and nothing that their links point to.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@nsm/testkit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RemovedFolders } from './removed-folders.js';

let root: string;
let removed: RemovedFolders;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nsm-removed-'));
  removed = new RemovedFolders(join(root, 'place'));
});
afterEach(async () => {
  await removed.stop();
  rmSync(root, { recursive: true });
});

const taken = async (path: string): Promise<void> => {
  removed.take(path, ['client']);
  expect(existsSync(path)).toBe(false);
  await waitFor(() => !existsSync(join(root, 'place')));
};

it('a folder goes with what is deep, many and strangely named in it', async () => {
  const path = join(root, 'one');
  mkdirSync(join(path, 'client', ...new Array(60).fill('deep')), { recursive: true });
  for (let n = 0; n < 1500; n++) writeFileSync(join(path, 'client', `f${n}`), '');
  writeFileSync(Buffer.concat([Buffer.from(`${path}/client/`), Buffer.from([0xff, 0xfe, 0x0a])]), '');
  await taken(path);
});

it('a link in a folder is removed, and not followed', async () => {
  const other = join(root, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'file'), '');
  const path = join(root, 'one');
  mkdirSync(path);
  symlinkSync(other, join(path, 'client'));
  await taken(path);
  expect(readdirSync(other)).toEqual(['file']);
});

it('folders that an earlier process left go, too', async () => {
  mkdirSync(join(root, 'place', 'left', 'more'), { recursive: true });
  mkdirSync(join(root, 'one'));
  await taken(join(root, 'one'));
});

it('does not look through all that waits for each folder that comes', async () => {
  mkdirSync(join(root, 'one'));
  await taken(join(root, 'one'));
  const stranger = join(root, 'place', 'stranger');
  mkdirSync(stranger, { recursive: true });
  mkdirSync(join(root, 'two'));
  removed.take(join(root, 'two'), []);
  await waitFor(() => readdirSync(join(root, 'place')).join() === 'stranger');
});

it('takes what a pod has put in the place of a folder while that was moved', async () => {
  const other = join(root, 'other');
  mkdirSync(other);
  mkdirSync(join(root, 'place'));
  symlinkSync(other, join(root, 'place', 'link'));
  writeFileSync(join(root, 'place', 'file'), '');
  mkdirSync(join(root, 'one'));
  await taken(join(root, 'one'));
  expect(existsSync(other)).toBe(true);
});

it('nothing is done where no folder waits', () => removed.take(join(root, 'nothing'), []));
