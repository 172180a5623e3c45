// The frame of every page: the contents on one side, the headings of the page on the other.

/** @returns the whole document. `toRoot` leads from the page to the root of the site. */
export function layout({ title, html, headings, path, contents, addressOf, toRoot }) {
  const link = ({ path: other, title: text }) =>
    `<li><a href="${toRoot}${addressOf(other)}"${other === path ? ' aria-current="page"' : ''}>${text}</a></li>`;
  const sections = contents.map(
    ({ heading, pages }) => `<h2>${heading}</h2>\n<ul>\n${pages.map(link).join('\n')}\n</ul>`,
  );
  const onPage = headings.map(
    ({ level, heading, anchor }) => `<li class="${level}"><a href="#${anchor}">${escaped(heading)}</a></li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · Network Service Mesh</title>
<link rel="stylesheet" href="${toRoot}style.css">
</head>
<body>
<a class="skip" href="#content">to the content</a>
<nav class="contents" aria-label="Contents">
<a class="home" href="${toRoot}index.html">Network Service Mesh</a>
<input type="search" placeholder="Search" aria-label="Search" data-root="${toRoot}">
<ol class="found" hidden></ol>
<details open>
<summary>Contents</summary>
${sections.join('\n')}
</details>
</nav>
<main id="content">
${html}</main>
${onPage.length > 1 ? `<nav class="headings" aria-label="On this page">\n<ul>\n${onPage.join('\n')}\n</ul>\n</nav>` : ''}
<script src="${toRoot}search-index.js" defer></script>
<script src="${toRoot}search.js" defer></script>
</body>
</html>
`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
