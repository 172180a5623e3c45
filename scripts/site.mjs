// npm run site: makes a static site of README.md and docs/ in site/, or in the folder that is its argument. Fails when a link
// leads nowhere. Pages that these link to, such as those of packages, come with them; so do the sources that they show.
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readContents } from './site/contents.mjs';
import { layout } from './site/layout.mjs';
import { renderPage } from './site/page.mjs';
import { renderSource } from './site/source.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = resolve(process.argv[2] ?? join(root, 'site'));

/** Kinds of file that a page shows, in place of leading to. */
const picture = /\.(png|svg|jpg|webp)$/;

const contents = readContents(root);
const problems = [];
/** By path in the clone. */
const pages = new Map();
const pictures = new Set();

const waiting = [
  'docs/README.md',
  ...contents.flatMap(({ pages: listed }) => listed.map(({ path }) => path)),
];
for (const path of waiting) {
  if (pages.has(path) || pictures.has(path)) continue;
  if (picture.test(path)) pictures.add(path);
  else if (path.endsWith('.md')) {
    const page = renderPage(path, readFileSync(join(root, path), 'utf8'), { addressOf, resolveLink });
    pages.set(path, page);
    waiting.push(...page.links.map(({ path: linked }) => linked));
  } else pages.set(path, renderSource(path, join(root, path)));
}
for (const [path, { links }] of pages)
  for (const { path: linked, anchor, href, line } of links)
    if (anchor !== '' && !pages.get(linked)?.anchors.has(anchor))
      problems.push(`${path}:${line}: there is no such heading: ${href}`);

rmSync(target, { recursive: true, force: true });
for (const [path, page] of pages)
  write(addressOf(path), layout({ ...page, path, contents, addressOf, toRoot: toRoot(path) }));
for (const path of pictures) copy(join(root, path), addressOf(path));
for (const name of ['style.css', 'search.js']) copy(join(root, 'scripts/site', name), name);
const searched = [...pages].filter(([path]) => path.endsWith('.md'));
const index = searched.flatMap(([path, { title, sections }]) =>
  sections.map(({ heading, anchor, text }) => [title, heading, `${addressOf(path)}#${anchor}`, text]),
);
write('search-index.js', `const searchIndex = ${JSON.stringify(index)};\n`);

for (const problem of problems) console.error(problem);
console.log(`${pages.size} pages in ${target}`);
process.exitCode = problems.length > 0 ? 1 : 0;

/** Where a file of the clone is in the site. */
function addressOf(path) {
  if (path === 'README.md') return 'index.html';
  const inSite = path.replace(/^docs\//, '').replace(/README\.md$/, 'index.md');
  if (path === 'docs/README.md') return 'contents.html';
  if (picture.test(path)) return inSite;
  return path.endsWith('.md') ? inSite.replace(/\.md$/, '.html') : `source/${path}.html`;
}

/** What a link of a page leads to; undefined for addresses elsewhere. A folder is its README.md where it has one. */
function resolveLink(from, href, line) {
  if (/^[a-z][a-z+.-]*:/.test(href)) return undefined;
  const [file = '', anchor = ''] = href.split('#');
  let path = file === '' ? from : posix.join(posix.dirname(from), decodeURI(file)).replace(/\/$/, '');
  const found = statSync(join(root, path), { throwIfNoEntry: false });
  if (!found) {
    problems.push(`${from}:${line}: there is no such file: ${href}`);
    return undefined;
  }
  if (found.isDirectory() && statSync(join(root, path, 'README.md'), { throwIfNoEntry: false }))
    path += '/README.md';
  return { path, anchor, href, line };
}

function toRoot(path) {
  return '../'.repeat(addressOf(path).split('/').length - 1);
}

function write(address, text) {
  mkdirSync(dirname(join(target, address)), { recursive: true });
  writeFileSync(join(target, address), text);
}

function copy(file, address) {
  mkdirSync(dirname(join(target, address)), { recursive: true });
  copyFileSync(file, join(target, address));
}
