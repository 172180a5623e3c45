// `nsm dashboard` and the managers of a real mesh: what happens to connections is seen as it happens, whatever breaks in between.
import type { Snapshot } from '@nsm/dashboard';
import type { Running } from '@nsm/testkit';
import { requireRoot, waitFor } from '@nsm/testkit';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mesh, type Pod } from '../mesh/mesh.js';
import { type Connected, nsmJson, spawnNsm } from '../mesh/nsm-command.js';
import { isLive, Pages, requireBrowser } from './browser.js';

const listen = '127.0.0.1:7071';
const url = `http://${listen}/`;

describe.skipIf(!requireBrowser('a real mesh') || !requireRoot('a real mesh'))(
  'the page of a real mesh',
  () => {
    let mesh: Mesh;
    let pages: Pages;
    let page: Page;
    let dashboard: Running;
    let here: Running;
    let [client, near, far]: Pod[] = [];
    let connected: Connected;

    const start = async (): Promise<Running> => {
      const folders = mesh.nodes.flatMap(({ runDir }) => ['--run-dir', runDir]);
      return await spawnNsm(undefined, 'the mesh is shown at', ['dashboard', '--listen', listen, ...folders]);
    };
    const row = (text: string) => page.locator('tbody tr').filter({ hasText: text });

    beforeAll(async () => {
      mesh = await Mesh.start();
      pages = await Pages.open();
      [client, near, far] = ['client', 'near', 'far'].map((label) => mesh.pod(label));
      [here] = await Promise.all([
        mesh.endpoint(mesh.a, { pod: near!, name: 'near', services: ['echo'] }),
        mesh.endpoint(mesh.b, { pod: far!, name: 'far', services: ['echo'] }),
      ]);
      await mesh.a.knows('echo/near', 'echo/far');
      const flags = ['--request-id', 'one', '--netns', client!.name, '--run-dir', mesh.a.runDir];
      connected = await nsmJson<Connected>('connect', 'echo', ...flags);
      dashboard = await start();
      page = await pages.page(url, `connections?select=connection/${connected.id}`);
      await isLive(page);
    });
    afterAll(async () => {
      await pages?.[Symbol.asyncDispose]();
      await dashboard?.stop();
      await mesh?.stop();
    });

    it('shows both ends of a connection, its counters and why it leads where it leads', async () => {
      await row('one').filter({ hasText: 'near' }).filter({ hasText: 'synced' }).waitFor();
      await page.locator('.way').filter({ hasText: 'local' }).waitFor();
      await page.getByText('used now').waitFor();
      await page.locator('dt', { hasText: 'Received' }).waitFor();
      expect(await page.locator('.panel').textContent()).toContain(connected.address);
    });

    it('shows the heal when an endpoint is killed', async () => {
      here.child.kill('SIGKILL');
      await row('one').filter({ hasText: 'far' }).filter({ hasText: 'synced' }).waitFor();
      await page.locator('.way').filter({ hasText: 'VXLAN' }).waitFor();
      await page.locator('.history li').filter({ hasText: 'healing' }).waitFor();
      const { changes } = (await (await fetch(`${url}api/mesh`)).json()) as Snapshot;
      const told = changes.filter(({ who }) => who === 'one → echo').map(({ what }) => what);
      expect(told).toEqual(['connecting', 'connected', 'healing', 'healed']);
      // The halves of both managers are one connection.
      await waitFor(async () => (await page.locator('tbody tr').count()) === 1, { what: 'one connection' });
      await page.locator('.command').nth(1).waitFor({ state: 'attached' });
    });

    it('goes on by itself when its server is killed and comes back', async () => {
      await dashboard.stop();
      await page.locator('.liveness.lost').waitFor();
      dashboard = await start();
      await isLive(page);
      await nsmJson(
        'disconnect',
        'echo',
        '--request-id',
        'one',
        '--netns',
        client!.name,
        '--run-dir',
        mesh.a.runDir,
      );
      await page.getByText('There are no connections yet').waitFor();
    });

    it('tells of a manager that ends', async () => {
      await page.goto(`${url}nodes`);
      await mesh.b.end('SIGKILL');
      await page
        .locator('tr')
        .filter({ hasText: 'node-b' })
        .filter({ hasText: 'no manager answers' })
        .waitFor();
      await mesh.b.start();
      await page.locator('tr').filter({ hasText: 'node-b' }).filter({ hasText: 'alive' }).waitFor();
      expect(pages.complaints).toEqual([]);
    });

    it('leaves nothing', async () => {
      await pages[Symbol.asyncDispose]();
      await dashboard.stop();
      expect(await mesh.finish()).toEqual([]);
    });
  },
);
