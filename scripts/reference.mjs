// npm run reference: writes docs/reference/ from the code: commands and their flags, variables, metrics, and the fields of the API and
// of the custom resources.
// With --check nothing is written; the exit status is 1 when a page is not what the code says.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiPages } from './reference/api.mjs';
import { commandPages } from './reference/commands.mjs';
import { metricPages } from './reference/metrics.mjs';
import { resourcePages } from './reference/resources.mjs';
import { variablePages } from './reference/variables.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'docs/reference');
const check = process.argv.includes('--check');

/** Which program writes a page, for those who would mend it by hand. */
const made = '<!-- Written by npm run reference, from the code. -->\n';

const { buildProgram } = await import('../packages/cli/dist/index.js');
const program = await buildProgram();
const wanted = new Map([
  ...commandPages(program),
  ...variablePages(program, root),
  ...metricPages(),
  ...apiPages(root),
  ...resourcePages(root),
]);
const standing = readPages();

const stale = [...wanted.keys()].filter((name) => standing.get(name) !== `${made}${wanted.get(name)}`);
const orphaned = [...standing.keys()].filter((name) => name !== 'README.md' && !wanted.has(name));
for (const name of [...stale, ...orphaned])
  console.error(
    `docs/reference/${name} is not what the code says${check ? ': npm run reference' : ', and is now'}`,
  );
if (check) process.exitCode = stale.length + orphaned.length > 0 ? 1 : 0;
else {
  for (const name of orphaned) rmSync(join(folder, name));
  for (const name of stale) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${made}${wanted.get(name)}`);
  }
}

/** Every page there is, by its path below docs/reference. README.md there is written by people. */
function readPages() {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.md'));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}
