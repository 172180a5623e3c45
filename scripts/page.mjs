// Puts the compiled page of packages/dashboard and what it imports into few files, compressed: packages/dashboard/dist/http/page.js.gz
// and its like, which the server sends as they are. Used by bundle.mjs, and by itself: node scripts/page.mjs. Quick when nothing has changed.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dashboard = join(root, 'packages/dashboard');
const compiled = join(dashboard, 'dist');
const written = join(compiled, 'http');
const plain = ['page.html', 'page.css', 'icon.svg'];
const level = { level: 9 };

/** @returns the npm packages that went into it, by their keys in package-lock.json. */
export async function buildPage() {
  const listFile = join(written, 'page.json');
  if (isFresh(listFile)) return JSON.parse(readFileSync(listFile, 'utf8')).npmPackages;
  const { build } = await import('vite');
  const npmPackages = new Set();
  const result = await build({
    configFile: false,
    root: join(dashboard, 'page'),
    logLevel: 'warn',
    build: {
      write: false,
      target: ['chrome123', 'firefox120', 'safari17.5'],
      modulePreload: false,
      rolldownOptions: {
        input: join(compiled, 'page/main.js'),
        output: { codeSplitting: false },
      },
    },
  });
  const { output } = Array.isArray(result) ? result[0] : result;
  const [script, ...others] = output.filter(({ type }) => type === 'chunk');
  if (!script || others.length > 0) throw new Error('the page is to be one file');
  for (const module of script.moduleIds) {
    const [key] = /node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module) ?? [];
    if (key) npmPackages.add(key);
  }
  writeFileSync(join(written, 'page.js.gz'), gzipSync(script.code, level));
  for (const name of plain)
    writeFileSync(join(written, `${name}.gz`), gzipSync(readFileSync(join(dashboard, 'page', name)), level));
  writeFileSync(listFile, JSON.stringify({ npmPackages: [...npmPackages].sort() }));
  return [...npmPackages];
}

function isFresh(listFile) {
  const made = timeOf(listFile);
  const inputs = [
    ...readdirSync(join(compiled, 'page'), { recursive: true })
      .filter((name) => name.endsWith('.js') && !name.endsWith('.test.js'))
      .map((name) => join(compiled, 'page', name)),
    ...['model.js', 'grouped.js'].map((name) => join(compiled, name)),
    ...plain.map((name) => join(dashboard, 'page', name)),
    fileURLToPath(import.meta.url),
    join(root, 'node_modules/.package-lock.json'),
  ];
  return inputs.every((file) => timeOf(file) < made);
}

function timeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) await buildPage();
