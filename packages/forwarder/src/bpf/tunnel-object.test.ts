// The committed eBPF objects are what their sources give, with the compiler they were made by.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../../../scripts/compile-bpf.mjs', import.meta.url));
const committed = fileURLToPath(new URL('../../bpf', import.meta.url));

it('the committed eBPF objects are what their sources give', ({ skip }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-bpf-'));
  try {
    try {
      execFileSync(process.execPath, [script, folder], {
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
      });
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      // 2: not the compiler that made the committed object.
      if (status === 2) skip(stderr.trim());
      throw error;
    }
    for (const object of ['tunnel.bpf.o', 'source.bpf.o'])
      expect(readFileSync(join(folder, object)).equals(readFileSync(join(committed, object)))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
