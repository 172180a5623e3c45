// The pictures of the page in docs/images: npm run screenshots. Of a mesh that is told of, so that they show every state there is.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BrowserContextOptions } from 'playwright-core';
import { describe, it } from 'vitest';
import { isLive, Pages, requireBrowser } from './browser.js';
import { serveMesh } from './served.js';
import { smallPng } from './small-png.js';
import { variedMesh } from './told-meshes.js';

const folder = fileURLToPath(new URL('../../../docs/images/', import.meta.url));

const pictures: [name: string, path: string, options: BrowserContextOptions][] = [
  ['topology', '', { viewport: { width: 1280, height: 740 } }],
  [
    'connection',
    'connections?select=connection/node-a:00000002',
    { viewport: { width: 1280, height: 740 }, colorScheme: 'dark' },
  ],
];

describe.skipIf(!requireBrowser('pictures'))('pictures', () => {
  it('of the page stand in docs/images', { timeout: 120_000 }, async () => {
    mkdirSync(folder, { recursive: true });
    await using served = await serveMesh(variedMesh());
    await using pages = await Pages.open();
    for (const [name, path, options] of pictures) {
      const page = await pages.page(served.url, path, options);
      await isLive(page);
      // Long enough for lines in the charts.
      await page.waitForTimeout(name === 'connection' ? 20_000 : 3000);
      writeFileSync(`${folder}${name}.png`, smallPng(await page.screenshot()));
      await page.context().close();
    }
  });
});
