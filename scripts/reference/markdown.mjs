// Pieces of Markdown that every page of the reference is made of.

/** A table; empty without rows. Columns in which no row has anything are left out. */
export function table(heads, rows) {
  if (rows.length === 0) return '';
  const columns = heads.map((_, index) => index).filter((index) => rows.some((row) => row[index] !== ''));
  const line = (cells) => `| ${columns.map((index) => cells[index]).join(' | ')} |`;
  return [line(heads), `|${'---|'.repeat(columns.length)}`, ...rows.map(line)].join('\n');
}

/** Text for people, in a cell: nothing of it but what stands between backticks is taken for Markdown. */
export function cell(text) {
  const parts = text.replaceAll('\n', ' ').split(/(`[^`]*`)/);
  return parts.map((part) => part.replace(part.startsWith('`') ? /[|]/g : /[|<*]/g, '\\$&')).join('');
}

/** Something to type, in a cell. */
export function code(text) {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

/** Paragraphs of a description; lines that begin with spaces are shown as they are. */
export function prose(text) {
  const parts = [];
  for (const line of text.split('\n')) {
    const shown = line.startsWith('  ');
    const last = parts.at(-1);
    if (shown === last?.shown) last.lines.push(line);
    else parts.push({ shown, lines: [line] });
  }
  return parts
    .map(({ shown, lines }) => (shown ? `\`\`\`text\n${lines.join('\n')}\n\`\`\`` : cell(lines.join('\n'))))
    .join('\n\n');
}

/** A page of parts that are not empty. */
export function page(...parts) {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** The anchor that code hosts give a heading. */
export function anchorOf(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-');
}
