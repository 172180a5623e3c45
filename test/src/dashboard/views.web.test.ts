// Each view of the page, of a mesh that the test tells of: what it shows, how it is walked through, and who is kept out by nothing.
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { barriers, goTo, isLive, Pages, requireBrowser } from './browser.js';
import type { FakeManager, FakeMesh } from './fake-mesh.js';
import { type Served, serveMesh } from './served.js';
import { variedMesh } from './told-meshes.js';

const token = 'a-token-of-the-tests';
const desktop = { width: 1440, height: 900 };
const phone = { width: 360, height: 740 };

describe.skipIf(!requireBrowser('the page'))('the page', () => {
  let pages: Pages;
  let fake: FakeMesh;
  let served: Served;
  let page: Page;

  beforeAll(async () => {
    fake = variedMesh();
    [pages, served] = await Promise.all([Pages.open(), serveMesh(fake)]);
    page = await pages.page(served.url);
  });
  afterEach(() => {
    expect(pages.complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await pages?.[Symbol.asyncDispose]();
  });

  const open = async (path: string): Promise<void> => {
    await page.setViewportSize(desktop);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await goTo(page, path);
    await isLive(page);
  };
  const connection = 'select=connection/node-a:00000002';
  const addressOf = (): string => page.url().slice(served.url.length - 1);
  const wait = async (path: string): Promise<void> => await page.waitForURL(new URL(path, served.url).href);

  describe('in each of its views', () => {
    const views: [path: string, words: RegExp[]][] = [
      ['/', [/web-1 → fw-1: synced/, /edge-2 → fw-1: failed/]],
      ['/connections', [/web-2/, /edge-3/]],
      [
        '/connections?select=connection/node-c:00000008',
        [
          /carries nothing now/,
          /heal for 7.7 s so far/,
          /3 times, this was the last/,
          /nsm trace node-c:00000008/,
        ],
      ],
      [
        `/connections?${connection}`,
        [/VXLAN 702/, /node-a has what is wanted/, /ask other manager/, /190 µs/, /vpn-1 on node-b/],
      ],
      ['/endpoints', [/lan-1/, /unavailable/]],
      ['/endpoints?select=endpoint/default/vpn-1/vpn-gateway', [/3 clients/, /web-2/]],
      ['/nodes', [/node-c/, /10\.0\.0\.3:5001/]],
      ['/nodes?select=node/node-b', [/VXLAN/, /nsm describe manager node-b/]],
      ['/changes', [/edge-1 → lan connected/]],
    ];
    it.each(views)(
      '%s shows what there is, keeps nobody out in either theme, and fits on a phone',
      async (path, words) => {
        await open(path);
        for (const word of words)
          await page.locator('#page').getByText(word).first().waitFor({ state: 'attached' });
        const text = (await page.locator('#page').textContent()) ?? '';
        for (const word of words) expect(text).toMatch(word);
        // A table alone is looked at beside its details.
        if (!['/connections', '/endpoints', '/nodes'].includes(path)) {
          expect(await barriers(page)).toEqual([]);
          await page.emulateMedia({ colorScheme: 'dark' });
          expect(await barriers(page, ['color-contrast'])).toEqual([]);
        }
        await page.setViewportSize(phone);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(phone.width);
        const hidden =
          "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('nav'))";
        expect(await page.evaluate(hidden)).toBe(0);
        const main = "document.querySelector('.panel') ?? document.querySelector('main')";
        expect(await page.evaluate(`(${main}).getBoundingClientRect().width`)).toBe(phone.width);
      },
    );
  });

  it('is there under each address below a view, and says what there is not', async () => {
    await page.goto(new URL('/connections/nosuch', served.url).href);
    await page.getByText('There is no connection nosuch').waitFor();
    await open('/endpoints?q=sevice:echo');
    await page.getByText('sevice: is no key of a search').waitFor();
  });

  it('finds what is searched for, and has the search in its address', async () => {
    await open('/connections');
    await page.keyboard.press('/');
    await page.keyboard.type('state:failed');
    await wait('/connections?q=state%3Afailed');
    await page.locator('tbody tr').filter({ hasText: 'edge-2' }).waitFor();
    expect(await page.locator('tbody tr').count()).toBe(1);
    await page.keyboard.press('Escape');
    await wait('/connections');
    await page.getByRole('button', { name: '1 healing' }).click();
    await page.locator('tbody tr').filter({ hasText: 'api-2' }).waitFor();
    expect(addressOf()).toBe('/connections?q=state%3Ahealing');
  });

  it('is walked through by keys alone', async () => {
    await open('/');
    await page.keyboard.press('2');
    await wait('/connections');
    await page.getByRole('region', { name: 'Connections' }).focus();
    for (const key of ['End', 'ArrowUp', 'Home', 'ArrowDown']) await page.keyboard.press(key);
    const chosen = page.locator('tr.chosen');
    expect(await chosen.getAttribute('aria-rowindex')).toBe('3');
    await page.locator('.panel h2').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.panel').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Connections');
    await page.keyboard.press('1');
    await page.getByRole('application').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.panel h2').waitFor();
    // Whatever has the focus can be seen to have it.
    await page.keyboard.press('Tab');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  });

  it('reaches everything by Tab, in the order in which it is seen', async () => {
    await open('/nodes?select=node/node-b');
    // Nothing has the focus yet.
    await page.reload();
    await isLive(page);
    const reached: string[] = [];
    for (let step = 0; step < 30; step++) {
      await page.keyboard.press('Tab');
      reached.push(
        await page.evaluate<string>(
          '(({ ariaLabel, textContent }) => (ariaLabel ?? textContent).trim())(document.activeElement)',
        ),
      );
    }
    const order = [
      'To the mesh',
      'Search',
      'Colours',
      'Topology',
      'Changes',
      '6synced',
      'Version',
      'node-a',
      'Details',
    ];
    const places = order.map((name) => reached.findIndex((text) => text.startsWith(name)));
    expect(places, reached.join(' | ')).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
  });

  it('goes back and forth', async () => {
    await open('/');
    await page.getByRole('link', { name: 'Endpoints' }).click();
    await page.getByRole('link', { name: 'fw-1' }).click();
    await page.getByRole('heading', { name: 'fw-1' }).waitFor();
    await page.goBack();
    await page.locator('.panel').waitFor({ state: 'detached' });
    await page.goBack();
    await page.getByRole('application').waitFor();
  });

  it('keeps the colours that were chosen', async () => {
    await open('/');
    await page.getByRole('button', { name: 'Colours: Auto' }).click();
    await page.getByRole('button', { name: 'Colours: Light' }).click();
    await page.reload();
    await page.getByRole('button', { name: 'Colours: Dark' }).waitFor();
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(14, 18, 23)');
    await page.getByRole('button', { name: 'Colours: Dark' }).click();
  });

  it('is taken along by a click in the graph', async () => {
    await open('/');
    const box = await page.getByRole('application').boundingBox();
    // Somewhere in the graph there is a box of a node.
    for (let step = 1; step < 40 && (await page.locator('.panel').count()) === 0; step++)
      await page.mouse.click(
        (box?.x ?? 0) + ((box?.width ?? 0) * step) / 40,
        (box?.y ?? 0) + (box?.height ?? 0) / 2,
      );
    await page.locator('.panel h2').waitFor();
  });

  it('shows a change as it happens, in the graph, the table and the time line', async () => {
    await open('/changes');
    const [, b] = fake.managers as [FakeManager, FakeManager, FakeManager];
    const healed = { ...b.connections.get('node-b:00000005')!, state: 'SYNCED', detail: '', attempt: 0 };
    b.put({ ...healed, since: new Date().toISOString() });
    await page.locator('.changes li').first().filter({ hasText: 'api-2 → lan healed' }).waitFor();
    await page.keyboard.press('1');
    await page.getByText('api-2 → lan-1: synced').waitFor({ state: 'attached' });
  });

  it('says that a manager does not answer, and what is not known therefore', async () => {
    await open('/nodes');
    const [, , c] = fake.managers as [FakeManager, FakeManager, FakeManager];
    c.silent = 'no manager answers on /run/node-c';
    await page.locator('tr').filter({ hasText: 'no manager answers on /run/node-c' }).waitFor();
    await page.getByRole('button', { name: '3 unknown' }).waitFor();
    c.silent = '';
    await page.getByRole('button', { name: 'unknown' }).waitFor({ state: 'detached' });
  });

  it('changes nothing where that is not allowed', async () => {
    await open(`/?${connection}`);
    await page.locator('.panel h2').waitFor();
    expect(await page.getByRole('button', { name: 'Disconnect…' }).count()).toBe(0);
  });

  it('wants a token, takes it from the link, and makes changes then', async () => {
    const other = variedMesh();
    await using closed = await serveMesh(other, { token, allowChanges: true });
    let stranger = await pages.page(closed.url);
    await stranger.getByLabel('Token').fill('wrong');
    expect(await barriers(stranger)).toEqual([]);
    await stranger.getByRole('button', { name: 'Look at the mesh' }).click();
    await stranger.getByText('That is not the token').waitFor();
    await stranger.getByLabel('Token').fill(token);
    await stranger.getByRole('button', { name: 'Look at the mesh' }).click();
    await isLive(stranger);
    await stranger.context().close();

    stranger = await pages.page(closed.url, `/connections?${connection}#token=${token}`);
    await isLive(stranger);
    expect(stranger.url()).not.toContain('token');
    await stranger.getByRole('button', { name: 'Disconnect…' }).click();
    await stranger.getByRole('button', { name: 'Disconnect' }).click();
    await stranger.getByText('There is no connection').waitFor();
    expect(other.managers[0]?.changed).toEqual(['disconnect node-a:00000002']);
    await stranger.goto(`${closed.url}nodes?select=node/node-b`);
    await stranger.getByRole('button', { name: 'Drain…' }).click();
    await stranger.getByRole('button', { name: 'Drain' }).click();
    await stranger.getByText('2 connections moved').waitFor();
    expect(other.managers[1]?.changed).toEqual(['drain']);
    await stranger.context().close();
  });
});
