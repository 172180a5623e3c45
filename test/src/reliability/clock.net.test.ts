// Clocks that are set while the mesh works: managers whose time of day jumps all the time lose nothing and refuse nobody, and
// those that started with a wrong one are believed as soon as it is right.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ping, requireRoot } from '@nsm/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, type NsmResult, nsm, nsmJson } from '../mesh/nsm-command.js';
import { bare } from '../mesh/pod-network.js';

const preload = fileURLToPath(new URL('./clock-preload.js', import.meta.url));
const withPreload = ['env', `NODE_OPTIONS=--import=${preload}`];
/** Longer than a manager's lease in the registry, seconds. */
const duration = 12;

describe.skipIf(!requireRoot('clock'))('clocks that jump', { timeout: 60_000 }, () => {
  let mesh: Mesh;
  let client: Pod;

  beforeAll(async () => {
    // No certificate outlasts a month.
    mesh = await Mesh.start({ before: withPreload, flags: ['--insecure', '--prefix', '10.60.0.0/16'] });
    client = mesh.pod('client');
    for (const [node, name] of [
      [mesh.a, 'near'],
      [mesh.b, 'far'],
    ] as const)
      await mesh.endpoint(node, { pod: mesh.pod(name), name, services: [name] });
    await mesh.a.knows('near/near', 'far/far');
  }, 60_000);
  afterAll(async () => await mesh?.stop());

  const words = (id: string): string[] => [
    ...['--request-id', id, '--netns', client.name, '--run-dir', mesh.a.runDir],
  ];

  it('lose no packet, no lease and no request', async () => {
    const lasting = await nsmJson<Connected>('connect', 'far', ...words('lasting'));
    const options = { count: 50 * duration, interval: 0.02 };
    const pinging = ping(client.name, bare(lasting.peerAddresses[0]!), options);
    let over = false;
    void pinging.then(() => {
      over = true;
    });
    for (let n = 0; !over; n++)
      for (const service of ['near', 'far']) {
        await nsmJson<Connected>('connect', service, ...words(`passing-${n}`));
        expect(await nsm('disconnect', service, ...words(`passing-${n}`))).toMatchObject({ status: 0 });
      }
    expect(await pinging).toMatchObject({ sent: options.count, received: options.count });

    const managers = await nsmJson<{ readonly alive: boolean }[]>(
      'get',
      'managers',
      '--run-dir',
      mesh.b.runDir,
    );
    expect(managers.map(({ alive }) => alive)).toEqual([true, true]);
    for (const node of mesh.nodes) {
      const [connection, ...others] = await node.connections();
      expect(others).toEqual([]);
      expect(connection?.history.map(({ state }) => state)).toEqual(['CONNECTING', 'UP']);
    }
    await nsm('disconnect', 'far', ...words('lasting'));
    // By what it says itself, a manager's clock has jumped back, and by hours.
    for (const { log } of mesh.nodes) {
      const times = [...log.matchAll(/"time":"([^"]+)"/g)].map(([, time = '']) => Date.parse(time));
      const jumps = times.slice(1).map((time, n) => time - times[n]!);
      expect(Math.min(...jumps)).toBeLessThan(-30 * 60_000);
    }
  });

  it('leave nothing behind', async () => {
    expect(await mesh.finish()).toEqual([]);
  });
});

describe.skipIf(!requireRoot('wrong clock'))(
  'a clock that is wrong at the start',
  { timeout: 60_000 },
  () => {
    const year = 365 * 24 * 3_600_000;
    const dir = mkdtempSync(join(tmpdir(), 'nsmt-clock-'));
    const file = join(dir, 'ahead');
    const setAhead = (ms: number): void => writeFileSync(file, String(ms));
    let mesh: Mesh;
    let client: Pod;

    beforeAll(async () => {
      setAhead(0);
      mesh = await Mesh.start({ before: [...withPreload, `CLOCK_AHEAD=${file}`] });
      client = mesh.pod('client');
      await mesh.endpoint(mesh.b, { pod: mesh.pod('far'), name: 'far', services: ['far'] });
      await mesh.a.knows('far/far');
    }, 60_000);
    afterAll(async () => {
      await mesh?.stop();
      rmSync(dir, { recursive: true });
    });

    it.each([
      ['ahead', year],
      ['behind', -year],
    ])('keeps nobody away once it is right: %s', async (_, ahead) => {
      const where = ['--request-id', 'once', '--netns', client.name, '--run-dir', mesh.a.runDir];
      const connect = (): Promise<NsmResult> => nsm('connect', 'far', ...where);
      await mesh.a.end('SIGTERM');
      setAhead(ahead);
      await mesh.a.start();
      expect(await connect()).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('compare the clocks'),
      });
      setAhead(0);
      await expect.poll(connect, { timeout: 20_000 }).toMatchObject({ status: 0 });
      expect(await nsm('disconnect', 'far', ...where)).toMatchObject({ status: 0 });
    });

    it('leaves nothing behind', async () => {
      expect(await mesh.finish()).toEqual([]);
    });
  },
);
