// Folders of labs, of which some have managers.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runningLab } from './running-lab.js';

it('a lab is named by the run directory of its first manager, and only one that has a manager', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-labs-'));
  try {
    expect(runningLab(join(folder, 'none'))).toBe('');
    mkdirSync(join(folder, 'down', 'node-a'), { recursive: true });
    mkdirSync(join(folder, 'two-nodes', 'node-a'), { recursive: true });
    expect(runningLab(folder)).toBe('');
    writeFileSync(join(folder, 'two-nodes', 'node-a', 'admin.sock'), '');
    expect(runningLab(folder)).toBe(`; lab two-nodes is running: --run-dir ${folder}/two-nodes/node-a`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
