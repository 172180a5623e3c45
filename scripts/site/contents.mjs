// The contents of the site, as docs/README.md lists them.
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Sections that list pages: the title of each, and its path in the clone. */
export function readContents(root) {
  const sections = [];
  for (const line of readFileSync(join(root, 'docs/README.md'), 'utf8').split('\n')) {
    const [, heading] = /^## (.*)$/.exec(line) ?? [];
    const [, title, href] = /^- \[(.*?)\]\((.*?)\)/.exec(line) ?? [];
    if (heading !== undefined) sections.push({ heading, pages: [] });
    else if (title !== undefined) sections.at(-1).pages.push({ title, path: posix.join('docs', href) });
  }
  return sections.filter(({ pages }) => pages.length > 0);
}
