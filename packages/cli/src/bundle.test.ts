// A build while commands run: each of them finds all of one bundle.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const execute = promisify(execFile);
const bundles = join(root, 'packages/cli/dist/bundle');

describe('the bundle', () => {
  it('is loaded with the code that V8 made of it at the build', async () => {
    const program = `const { load, optimize, scripts } = require('${root}/packages/cli/bin/load.js');
      optimize(false);
      load('${bundles}/${readFileSync(join(bundles, 'current'), 'utf8')}/main.js');
      console.log(JSON.stringify([...scripts.values()].map(({ cachedDataRejected }) => cachedDataRejected)));`;
    const { stdout } = await execute(process.execPath, ['-e', program]);
    const rejected = JSON.parse(stdout) as unknown[];
    expect(rejected.length).toBeGreaterThan(0);
    expect(new Set(rejected)).toEqual(new Set([false]));
  });

  it('is found by every command while another takes its place', async () => {
    // What is no longer needed by anybody goes with a build.
    const old = mkdtempSync(join(bundles, 'old-'));
    utimesSync(old, 1, 1);
    const unfresh = join(root, 'packages/cli/dist/own-version.js');
    let building = true;
    const build = execute(process.execPath, [
      '--input-type=module',
      '-e',
      `import { utimesSync } from 'node:fs'; import { bundle } from '${root}/scripts/bundle.mjs';
       utimesSync('${unfresh}', new Date(), new Date()); await bundle();`,
    ]).finally(() => {
      building = false;
    });
    const nsm = join(root, 'packages/cli/bin/nsm.js');
    while (building) expect((await execute(process.execPath, [nsm, 'version'])).stdout).toMatch(/\d/);
    await build;
    expect(readdirSync(bundles)).not.toContain(old.slice(bundles.length + 1));
  });
});
