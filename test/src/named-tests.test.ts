// What npm test is asked for by name and does not have is a mistake, and not a success.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = fileURLToPath(new URL('../../scripts/run-suites.mjs', import.meta.url));

/** Without a network of its own, which takes root. */
const npmTest = (...args: readonly string[]): Promise<{ status: number | null; said: string }> =>
  new Promise((resolve, reject) => {
    const words = [program, 'another run has it', '--project=unit', ...args];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += String(text)));
    child.once('error', reject).once('close', (status) => resolve({ status, said }));
  });

describe('npm test', () => {
  it('fails for a part of a file name that no test file has, whatever others are found', async () => {
    const { status, said } = await npmTest('test/dist/circles', 'no-such-file');
    expect(said).toContain('no test file has "no-such-file" in its path');
    expect(said).toMatch(/^0 passed, 1 failed, 0 skipped$/m);
    expect(status).toBe(1);
  });

  it('fails for a name that no test has', async () => {
    const { status, said } = await npmTest('test/dist/circles', '-t', 'no such test');
    expect(said).toContain('no test has "no such test" in its name');
    expect(said).toMatch(/^0 passed, 1 failed, \d+ skipped$/m);
    expect(status).toBe(1);
  });

  it('runs what it finds', async () => {
    const { status, said } = await npmTest('test/dist/circles');
    expect(said).toMatch(/^[1-9]\d* passed, 0 failed, 0 skipped$/m);
    expect(status).toBe(0);
  });
});

describe('npm run reliability', () => {
  it('has every file that tries less in npm test', async () => {
    const { elsewhere } = (await import(join(root, 'scripts/reliability-suites.mjs'))) as {
      readonly elsewhere: readonly string[];
    };
    const sources = ['packages', 'test'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter(
          (path) => /(^|\/)src\/.*(?<!\.kubernetes)\.test\.ts$/.test(path) && !path.includes('node_modules'),
        )
        .map((path) => join(folder, path)),
    );
    expect(sources.length).toBeGreaterThan(200);
    const lesser = sources.filter((path) =>
      /import \{[^}]*\b(thorough|tried)\b[^}]*\} from '(@nsm\/testkit|\.{1,2}\/(reliability\/)?config\.js)'/.test(
        readFileSync(join(root, path), 'utf8'),
      ),
    );
    expect(lesser.length).toBeGreaterThan(15);
    const unknown = lesser
      .map((path) => path.replace('/src/', '/dist/'))
      .filter((path) => !path.startsWith('test/dist/reliability/'))
      .filter((path) => !elsewhere.some((pattern) => path.includes(pattern)));
    expect(unknown).toEqual([]);
  });
});
