// docs/security.md promises nothing that no test tries: each row of its tables names tests that are there.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const files = ['packages', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /(^|\/)src\/.*\.ts$/.test(path) && !path.includes('node_modules'))
    .map((path) => join(folder, path)),
);
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const testsOf = (name: string): string =>
  ['.test.ts', '.net.test.ts']
    .map((end) => `test/src/security/${name}${end}`)
    .filter((path) => files.includes(path))
    .map(textOf)
    .join('\n');

interface Row {
  readonly promise: string;
  /** What its table says the last column is. */
  readonly column: string;
  readonly tests: string;
}

const rows: Row[] = [];
for (const table of readFileSync(join(root, 'docs/security.md'), 'utf8').split('\n\n')) {
  const lines = table.split('\n').filter((line) => line.startsWith('|'));
  const cells = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const column = cells[0]?.at(-1) ?? '';
  for (const row of cells.slice(2)) rows.push({ promise: row[0] ?? '', column, tests: row.at(-1) ?? '' });
}

/** A suite of security, a suite of a package (`package/suite`), or a file in backquotes. */
function isThere(name: string): boolean {
  const [, file] = /^`(?:.*\/)?([^/]+)`$/.exec(name) ?? [];
  if (file !== undefined) return files.some((path) => basename(path) === file);
  const [folder = '', suite] = name.split('/');
  if (suite === undefined) return testsOf(name) !== '';
  return files.some((path) => path.includes(`/${folder}/`) && basename(path).startsWith(`${suite}.`));
}

describe('docs/security.md', () => {
  it('has rows', () => expect(rows.length).toBeGreaterThan(60));

  it.each(rows.filter(({ column }) => column.startsWith('test')))('has the tests of: $promise', (row) => {
    const { promise, column, tests } = row;
    const [, word] = /^\*\*([^*]+)\*\*:/.exec(promise) ?? [];
    const inPods = testsOf('pods') + testsOf('limits');
    for (const name of tests.split(', ').filter((one) => one !== ''))
      if (!isThere(name)) {
        expect([column.includes('`pods`'), name]).toEqual([true, word]);
        expect(inPods).toContain(`it('${word}: `);
      }
  });

  it.each(rows.filter(({ column }) => column === 'how'))('has a test of the dataplane: $promise', (row) =>
    expect(testsOf('dataplane')).toContain(row.promise.split(':', 1)[0]),
  );
});
