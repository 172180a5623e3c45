// A lab that is shown as a page: it is there when the lab is up, and goes with it.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Snapshot } from '@nsm/dashboard';
import { requireRoot } from '@nsm/testkit';
import { expect, it } from 'vitest';
import { spawnNsm } from '../mesh/nsm-command.js';

const file = fileURLToPath(new URL('../../../examples/two-nodes.yaml', import.meta.url));

const pages = (): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('dashboard\0--listen\x00127.0.0.1:0\0');
    } catch {
      return false;
    }
  });

it.skipIf(!requireRoot('the page of a lab'))(
  'a lab has a page while it is up',
  { timeout: 60_000 },
  async () => {
    const args = ['lab', 'up', file, '--dashboard', '127.0.0.1:0'];
    const lab = await spawnNsm(undefined, 'Ctrl-C removes it', args, { timeout: 40_000 });
    try {
      const [, url = ''] = /the mesh is shown at (\S+)/.exec(lab.output()) ?? [];
      const { things } = (await (await fetch(`${url}api/mesh`)).json()) as Snapshot;
      expect(things.filter(({ kind }) => kind === 'connection')).toHaveLength(3);
      expect(pages()).toHaveLength(1);
      lab.child.kill('SIGINT');
      expect(await lab.exited).toBe(0);
      expect(lab.output()).toContain('nothing remains');
      expect(pages()).toEqual([]);
    } finally {
      await lab.stop();
    }
  },
);
