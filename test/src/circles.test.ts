// No circle of folders or packages anywhere; and the check that says so finds them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/check-circles.mjs', import.meta.url));

function check(...args: string[]): { status: number | null; output: string } {
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { status, output: stderr };
}

function checkClone(files: Readonly<Record<string, string>>): ReturnType<typeof check> {
  const clone = mkdtempSync(join(tmpdir(), 'nsm-circles-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(clone, name)), { recursive: true });
      writeFileSync(join(clone, name), text);
    }
    return check(clone);
  } finally {
    rmSync(clone, { recursive: true });
  }
}

const manifest = (name: string, ...dependencies: string[]): string =>
  JSON.stringify({ name, dependencies: Object.fromEntries(dependencies.map((other) => [other, '1'])) });

describe('circles', () => {
  it('are nowhere', () => {
    expect(check()).toEqual({ status: 0, output: '' });
  });

  it('of folders are found, also where only types and a third folder close them', () => {
    const { status, output } = checkClone({
      'packages/p/package.json': manifest('p'),
      'packages/p/src/index.ts': "export { one } from './a/one.js';",
      'packages/p/src/a/one.ts': "import { two } from '../b/two.js';",
      'packages/p/src/b/two.ts': "import { three } from '../c/three.js';",
      'packages/p/src/c/three.ts': "import type { other } from '../a/other.js';",
      'packages/p/src/a/other.ts': '',
    });
    expect({ status, circle: output.split('\n')[0] }).toEqual({
      status: 1,
      circle: 'packages/p: a circle of a/, b/, c/',
    });
    expect(output).toContain('c/three.ts imports a/other.js');
    expect(output).not.toContain('index.ts');
  });

  it('of packages are found', () => {
    expect(
      checkClone({
        'packages/p/package.json': manifest('p', 'q'),
        'packages/q/package.json': manifest('q', 'p'),
      }),
    ).toEqual({ status: 1, output: 'packages: a circle of p, q\n  p depends on q\n  q depends on p\n' });
  });

  it('of tests with what they test are none', () => {
    expect(
      checkClone({
        'packages/p/package.json': manifest('p'),
        'packages/p/src/whole.ts': "import { part } from './a/part.js';",
        'packages/p/src/a/part.ts': '',
        'packages/p/src/a/part.test.ts': "import { whole } from '../whole.js';",
      }).status,
    ).toBe(0);
  });
});
