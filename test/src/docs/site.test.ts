// The documentation becomes a site, and no link in it leads nowhere.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './pages.js';

it('every link leads to a page and a heading that there are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsm-site-'));
  try {
    const { stderr } = spawnSync(process.execPath, [join(root, 'scripts/site.mjs'), folder], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    for (const page of [
      'index.html',
      'tutorial.html',
      'reference/commands.html',
      'reference/api/nsmadmin.html',
    ])
      expect(existsSync(join(folder, page)), page).toBe(true);
    // Every part of the contents leads somewhere.
    const [contents = ''] =
      /<nav class="contents".*?<\/nav>/s.exec(readFileSync(join(folder, 'index.html'), 'utf8')) ?? [];
    expect(contents.match(/<h2>/g)).toHaveLength(contents.match(/<ul>\s*<li>/g)?.length ?? 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
