// Finding the processes of a pod in folders as kubelet makes them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PodCgroups } from './pod-cgroups.js';

const uid = 'c03ff1be-0410-4679-af1c-3dbc632c6c36';
const other = '00000000-0410-4679-af1c-3dbc632c6c36';
const slice = (prefix: string, id: string): string => `${prefix}pod${id.replaceAll('-', '_')}.slice`;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nsm-cgroups-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

const layouts: Record<string, (id: string) => string> = {
  'version 2, cgroupfs': (id) => `kubepods/burstable/pod${id}/0123`,
  'version 2, cgroupfs, guaranteed': (id) => `kubepods/pod${id}/0123`,
  'version 2, systemd': (id) =>
    `kubepods.slice/kubepods-besteffort.slice/${slice('kubepods-besteffort-', id)}/cri-containerd-0123.scope`,
  'version 2, systemd, below a root of its own': (id) =>
    `kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/${slice('kubelet-kubepods-burstable-', id)}/crio-0123.scope`,
  'version 1, cgroupfs': (id) => `memory/kubepods/besteffort/pod${id}/0123`,
  'version 1, systemd': (id) => `cpu/kubepods.slice/${slice('kubepods-', id)}/docker-0123.scope`,
};

for (const [name, folder] of Object.entries(layouts))
  it(name, () => {
    write({
      [`${folder(uid)}/cgroup.procs`]: '4711\n4712\n',
      [`${folder(uid)}/inner/cgroup.procs`]: '4713\n',
      [`${dirname(folder(uid))}/cgroup.procs`]: '',
      [`${folder(other)}/cgroup.procs`]: '5\n',
    });
    const cgroups = new PodCgroups(root);
    expect(cgroups.found).toBe(true);
    expect(cgroups.processesOf(uid).toSorted()).toEqual([4711, 4712, 4713]);
    expect(cgroups.processesOf('11111111-0410-4679-af1c-3dbc632c6c36')).toEqual([]);
  });

it('finds folders that are made later', () => {
  const cgroups = new PodCgroups(root);
  expect(cgroups.found).toBe(false);
  expect(cgroups.processesOf(uid)).toEqual([]);
  write({ [`kubepods/besteffort/pod${uid}/0123/cgroup.procs`]: '7\n' });
  expect(cgroups.processesOf(uid)).toEqual([7]);
});
