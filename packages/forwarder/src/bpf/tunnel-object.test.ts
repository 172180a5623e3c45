// The committed eBPF object is what its source gives, with the compiler it was made by.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../../../scripts/compile-bpf.mjs', import.meta.url));
const committed = fileURLToPath(new URL('../../bpf/tunnel.bpf.o', import.meta.url));

it('the committed eBPF object is what its source gives', ({ skip }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-bpf-'));
  try {
    const output = join(folder, 'tunnel.bpf.o');
    try {
      execFileSync(process.execPath, [script, output], {
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
      });
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      // 2: not the compiler that made the committed object.
      if (status === 2) skip(stderr.trim());
      throw error;
    }
    expect(readFileSync(output).equals(readFileSync(committed))).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
