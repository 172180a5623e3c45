// The thread of shared memory ends: an exception ends the thread alone, anything else the process, which has its TAP devices open.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeNamespace, type Running, requireRoot, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, describe, expect, it } from 'vitest';

const tool = fileURLToPath(new URL('./shared-engine.test.tool.js', import.meta.url));

describe.skipIf(!requireRoot('shared engine'))('the thread of shared memory', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-engine-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** @param end what the thread does once it has joined a wire. */
  const ending = async (end: string, look: (process: Running) => Promise<void>): Promise<void> => {
    const pod = makeNamespace('pod');
    const [order, preload] = [join(folder, `order-${pod.name}`), join(folder, `${pod.name}.mjs`)];
    writeFileSync(
      preload,
      `import { existsSync, rmSync } from 'node:fs';
       import { isMainThread } from 'node:worker_threads';
       const order = ${JSON.stringify(order)};
       if (!isMainThread) setInterval(() => { if (existsSync(order)) { rmSync(order); ${end} } }, 5).unref();`,
    );
    try {
      await using process_ = await spawnIn(pod.name, process.execPath, [
        ...['--import', preload, tool, join(folder, 'run')],
      ]);
      await waitFor(() => process_.output().includes('joined'), { timeout: 15_000 });
      writeFileSync(order, '');
      await look(process_);
    } finally {
      pod.remove();
    }
  };

  it('is started again after an exception, which may be a pod’s doing', () =>
    ending("throw new Error('a bug');", async ({ output }) => {
      await waitFor(() => /joined\nlost\njoined\n/.test(output()));
    }));

  it('takes the process along when it has let go of nothing', () =>
    ending('process.exit(7);', async ({ exited, output }) => {
      expect(await exited).toBe(1);
      expect(output()).toContain('its thread ended with 7');
    }));
});
