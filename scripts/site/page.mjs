// A page of Markdown as HTML: headings have the anchors that code hosts give them, links lead to pages of the site.

import { posix } from 'node:path';
import MarkdownIt from 'markdown-it';
import { anchorOf } from '../reference/markdown.mjs';

const markdown = new MarkdownIt({ html: true });
const { escapeHtml } = markdown.utils;

/** Headings of these levels are listed beside the page. */
const listed = new Set(['h2', 'h3']);
/** More of them than this, and only the larger ones are. */
const mostListed = 40;

/**
 * @param tools `addressOf` gives the place in the site of a path in the clone, `resolveLink` what a link leads to.
 * @returns title, html, anchors, links, sections for the search, and the headings to list
 */
export function renderPage(path, text, { addressOf, resolveLink }) {
  const tokens = markdown
    .parse(text, {})
    .filter(({ type, content }) => type !== 'html_block' || !isComment(content));
  const page = { title: path, html: '', anchors: new Set(['']), links: [], sections: [], headings: [] };
  page.sections.push({ heading: '', anchor: '', text: '' });
  let line = 1;
  for (const [index, token] of tokens.entries()) {
    // Cells of a table do not say where they are; their rows do.
    if (token.map) line = token.map[0] + 1;
    if (token.type === 'heading_open') enterHeading(page, token, tokens[index + 1]);
    else if (token.type === 'inline' || token.type === 'fence')
      page.sections.at(-1).text += `${plain(token)} `;
    for (const child of token.children ?? []) lead(child);
  }
  page.html = markdown.renderer.render(tokens, markdown.options, {});
  if (page.headings.length > mostListed) page.headings = page.headings.filter(({ level }) => level === 'h2');
  return page;

  /** Puts the address in the site in the place of what the page has. */
  function lead(token) {
    const attribute = { link_open: 'href', image: 'src' }[token.type];
    if (!attribute) return;
    const found = resolveLink(path, token.attrGet(attribute), line);
    if (!found) return;
    page.links.push(found);
    const way = posix.relative(posix.dirname(addressOf(path)), addressOf(found.path));
    token.attrSet(attribute, found.anchor === '' ? way : `${way}#${found.anchor}`);
  }
}

function enterHeading(page, token, inline) {
  const heading = plain(inline);
  const base = anchorOf(heading);
  let anchor = base;
  for (let count = 1; page.anchors.has(anchor); count += 1) anchor = `${base}-${count}`;
  page.anchors.add(anchor);
  token.attrSet('id', anchor);
  if (token.tag === 'h1') page.title = heading;
  page.sections.push({ heading: token.tag === 'h1' ? '' : heading, anchor, text: '' });
  if (listed.has(token.tag)) page.headings.push({ level: token.tag, heading, anchor });
}

/** The text of it, without marks. */
function plain({ children, content }) {
  if (!children?.length) return content;
  return children.map((child) => (child.type === 'softbreak' ? ' ' : child.content)).join('');
}

function isComment(html) {
  return /^\s*<!--[\s\S]*-->\s*$/.test(html);
}

/** Prompts are not copied with the command behind them, and what is printed looks another way. */
markdown.renderer.rules.fence = (tokens, index) => {
  const { info, content } = tokens[index];
  const lines = content
    .trimEnd()
    .split('\n')
    .map((line) => escapeHtml(line));
  const shown = info === 'console' ? lines.map(consoleLine) : info === 'sh' ? lines.map(shellLine) : lines;
  return `<pre class="${escapeHtml(info || 'text')}"><code>${shown.join('\n')}</code></pre>\n`;
};

function consoleLine(line) {
  const [, prompt, command] = /^((?:[a-z][a-z0-9-]*)?[$#] +)(.*)$/.exec(line) ?? [];
  if (prompt === undefined) return `<span class="printed">${line}</span>`;
  return `<span class="prompt" data-prompt="${prompt}"></span>${shellLine(command)}`;
}

function shellLine(line) {
  return line.replace(/(^|\s)(# .*)$/, '$1<span class="remark">$2</span>');
}
