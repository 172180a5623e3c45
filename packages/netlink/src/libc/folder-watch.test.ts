// Changes in folders are told once for each time that they are asked for.
import { mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FolderWatch } from './folder-watch.js';
import { Poller } from './poller.js';

describe('FolderWatch', () => {
  const poller = new Poller();
  let watch: FolderWatch;
  let [busy, other]: string[] = [];
  let told: string[];

  beforeEach(() => {
    watch = new FolderWatch(poller);
    [busy, other] = ['busy', 'other'].map((name) => mkdtempSync(join(tmpdir(), `nsm-${name}-`)));
    told = [];
  });
  afterEach(() => {
    watch[Symbol.dispose]();
    for (const folder of [busy!, other!]) rmSync(folder, { recursive: true, force: true });
  });

  const ask = (folder: string): Disposable => watch.once(folder, () => told.push(folder));
  const changeOften = (): void => {
    writeFileSync(join(busy!, 'a'), '');
    for (let n = 0; n < 10_000; n++)
      renameSync(join(busy!, n % 2 === 0 ? 'a' : 'b'), join(busy!, n % 2 === 0 ? 'b' : 'a'));
  };

  it('tells of one change of many, and loses none of another folder', async () => {
    ask(busy!);
    ask(other!);
    // More than the kernel queues for all folders (fs.inotify.max_queued_events).
    changeOften();
    writeFileSync(join(other!, 'a'), '');
    await vi.waitFor(() => expect(told).toEqual([busy, other]));
    changeOften();
    ask(busy!);
    writeFileSync(join(busy!, 'c'), '');
    await vi.waitFor(() => expect(told).toEqual([busy, other, busy]));
  });

  it('tells nothing of a folder that goes, or of which nobody wants to hear any more', async () => {
    ask(busy!);
    rmdirSync(busy!);
    ask(other!)[Symbol.dispose]();
    writeFileSync(join(other!, 'a'), '');
    ask(other!);
    writeFileSync(join(other!, 'b'), '');
    await vi.waitFor(() => expect(told).toEqual([other]));
    expect(() => ask(busy!)).toThrow(/ENOENT: watch /);
  });
});
