// A mesh of 500 connections that change all the time: the page keeps up, and so does whoever scrolls in it. Between its frames the page
// may be held up by other programs of this machine: what it works for a frame is its own, and that is what is expected of it.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goTo, isLive, Pages, requireBrowser } from './browser.js';
import { type FakeMesh, largeMesh } from './fake-mesh.js';
import { type Served, serveMesh } from './served.js';

const connections = 500;
/** Milliseconds of measuring. */
const measuredMs = 1500;

/** Times between frames, in order of their length. */
const frames = `new Promise((resolve) => {
  const times = [];
  let last = performance.now();
  const end = last + ${measuredMs};
  const next = (now) => {
    times.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(next);
    else resolve(times.slice(1).sort((a, b) => a - b));
  };
  requestAnimationFrame(next);
})`;

describe.skipIf(!requireBrowser('500 connections'))(`${connections} connections`, () => {
  let pages: Pages;
  let page: Page;
  let fake: FakeMesh;
  let served: Served;
  let changing: NodeJS.Timeout;

  beforeAll(async () => {
    fake = largeMesh(connections);
    [pages, served] = await Promise.all([Pages.open(), serveMesh(fake)]);
    page = await pages.page(served.url);
    await isLive(page);
    await page.getByText(String(connections)).first().waitFor();
    // Twenty changes a second, beside the counters of all each second.
    let turn = 0;
    changing = setInterval(() => {
      const manager = fake.managers[turn % 4]!;
      const all = [...manager.connections.values()];
      const connection = all[(turn++ * 7) % all.length]!;
      const state = connection.state === 'SYNCED' ? 'HEALING' : 'SYNCED';
      manager.put({ ...connection, state, since: new Date().toISOString() });
    }, 50);
  });
  afterAll(async () => {
    clearInterval(changing);
    await served?.[Symbol.asyncDispose]();
    await pages?.[Symbol.asyncDispose]();
  });

  it.each([
    ['the graph', '/'],
    ['the table', '/connections'],
    ['the time line', '/changes'],
    ['the details of an endpoint', '/endpoints?select=endpoint/default/ep-0-0/service-0'],
  ])('are drawn without stutter in %s', async (what, path) => {
    await goTo(page, path);
    await page.mouse.move(500, 500);
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    const worked = async (): Promise<number> => {
      const { metrics } = await session.send('Performance.getMetrics');
      return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1000;
    };
    const before = await worked();
    const scrolling = setInterval(() => void page.mouse.wheel(0, 60).catch(() => undefined), 100);
    const times = await page.evaluate<number[]>(frames);
    clearInterval(scrolling);
    const work = ((await worked()) - before) / measuredMs;
    const at = (part: number): number => Math.round(times[Math.floor(times.length * part)] ?? Number.NaN);
    process.stdout.write(
      `${connections} connections, ${what}: ${times.length} frames in ${measuredMs} ms, median ${at(0.5)} ms, ` +
        `95 % within ${at(0.95)} ms; busy ${Math.round(work * 100)} % of the time\n`,
    );
    // Of its main thread's time, so that each frame of 16.7 ms has room.
    expect(work).toBeLessThan(0.6);
    expect(pages.complaints.splice(0)).toEqual([]);
  });

  it('are all in the table, though few of them are in the document', async () => {
    await goTo(page, '/connections');
    const table = page.getByRole('table');
    await page.locator(`table[aria-rowcount="${connections + 1}"]`).waitFor();
    expect(await page.locator('tbody tr').count()).toBeLessThan(60);
    await page.getByRole('region', { name: 'Connections' }).focus();
    await page.keyboard.press('End');
    await table.locator(`tr[aria-rowindex="${connections + 1}"].chosen`).waitFor();
  });

  it('are drawn as groups of clients, which lead to their connections', async () => {
    await goTo(page, '/');
    await page.getByText('Clients of one service are drawn as one').waitFor();
    const lines = page.getByRole('list', { name: 'Connections of the graph' }).getByRole('listitem');
    expect(await lines.count()).toBeLessThan(60);
  });
});
