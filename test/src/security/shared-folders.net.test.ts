// The row "shared folders" of docs/security.md, as a race: an ordinary user changes what root is removing, while root removes it.
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh.js';
import { nsmProgram } from '../nsm-command.js';

const racer = fileURLToPath(new URL('./folder-racer.js', import.meta.url));
const user = 61_001;
const asUser = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs'];
const rounds = process.env.SECURITY === 'thorough' ? 50 : 1;

describe.skipIf(!requireRoot('shared folders'))('the folder of a memif', () => {
  let mesh: Mesh;
  let pod: Pod;

  beforeAll(async () => {
    mesh = await Mesh.start();
    chmodSync(mesh.dir, 0o711);
    pod = mesh.pod('evil');
    await mesh.endpoint(mesh.a, { pod: mesh.pod('endpoint'), name: 'echo', services: ['echo'] });
  });
  afterAll(async () => await mesh?.stop());

  const call = async (verb: string, ...more: readonly string[]): Promise<string> =>
    await run(pod.name, 'setpriv', [
      ...[...asUser, process.execPath, nsmProgram, verb, 'echo', '--request-id', 'evil'],
      ...['--run-dir', mesh.a.runDir, '--json', ...more],
    ]);

  it('leads no removal elsewhere, whatever its pod makes of it meanwhile', { timeout: 600_000 }, async () => {
    // As every pod's user may see it, and only root may change it.
    const target = join(mesh.dir, 'root-only');
    mkdirSync(target, { mode: 0o755 });
    const victims = Array.from({ length: 50 }, (_, n) => (n === 0 ? 'victim' : String(n)));
    for (const name of victims) writeFileSync(join(target, name), 'secret', { mode: 0o600 });
    for (let round = 0; round < rounds; round++) {
      const { interfaceParameters } = JSON.parse(await call('connect', '--interface', 'mem')) as {
        readonly interfaceParameters: { readonly socket: string };
      };
      const folder = dirname(interfaceParameters.socket);
      await using racing = await spawnIn(pod.name, 'setpriv', [
        ...[...asUser, process.execPath, racer, folder, target],
      ]);
      await waitFor(() => racing.output().includes('racing'), {
        what: 'the race',
        timeout: 20_000,
      });
      await call('disconnect');
      // At once, however long it takes to empty it.
      expect(existsSync(dirname(folder))).toBe(false);
      expect(await mesh.a.connections()).toEqual([]);
      expect(await racing.exited).toBe(0);
      await waitFor(() => !existsSync(join(mesh.a.runDir, '.removed')), { what: 'all of it being gone' });
      expect(readdirSync(target).toSorted()).toEqual(victims.toSorted());
    }
  });

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
