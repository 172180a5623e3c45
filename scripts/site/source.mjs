// A source file that a page links to, or the list of what is in a folder.
import { readdirSync, readFileSync, statSync } from 'node:fs';

/** As renderPage has it. */
export function renderSource(path, file) {
  const text = statSync(file).isDirectory()
    ? readdirSync(file, { withFileTypes: true })
        .filter(({ name }) => name !== 'dist' && name !== 'node_modules')
        .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
        .join('\n')
    : readFileSync(file, 'utf8');
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const html = `<h1><code>${path}</code></h1>\n<pre class="source"><code>${escaped}</code></pre>\n`;
  return { title: path, html, anchors: new Set(['']), links: [], sections: [], headings: [] };
}
