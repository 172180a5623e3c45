// The row "shared folders" of docs/security.md, as a race: an ordinary user changes what root is removing, while root removes it.
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requireRoot, run, spawnIn, waitFor } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { nsmProgram } from '../mesh/nsm-command.js';

const racer = fileURLToPath(new URL('./folder-racer.js', import.meta.url));
const flooder = fileURLToPath(new URL('./folder-flooder.js', import.meta.url));
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

  it('holds up nobody, however often its pod changes what is in it', async () => {
    await call('connect', '--interface', 'mem');
    const shared = join(mesh.a.runDir, 'shared');
    const folder = join(shared, readdirSync(shared)[0]!, 'endpoint');
    // As if the endpoint were the user's.
    chownSync(folder, user, user);
    const flood = async () =>
      await spawnIn(pod.name, 'setpriv', [...asUser, process.execPath, flooder, folder]);
    await using one = await flood();
    await using two = await flood();
    for (const { output } of [one, two]) await waitFor(() => output().includes('flooding'));
    const other = mesh.pod('other');
    const agent = await mesh.agent(other, { user: user + 1 });
    for (const requestId of ['one', 'two', 'three']) {
      const request = { requestId, service: 'echo', netns: other.netns };
      expect((await agent.connect(mesh.a.runDir, request)).error).toBe('');
    }
    await mesh.a.closeAll();
  });

  it('leaves nothing', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});
