// Whether what a command printed has the shape of what a page shows: the same words, with other numbers, addresses and ids.

/** A line of a page that stands for any lines, and a word or part of a word that stands for anything. */
const anything = '…';

/** @returns the first line that does not fit, or '' */
export function misfit(shown: readonly string[], printed: string): string {
  const wanted = shown.map(tidy).filter((line) => line !== '');
  const lines = printed
    .split('\n')
    .map(tidy)
    .filter((line) => line !== '');
  let at = 0;
  for (const [index, line] of wanted.entries()) {
    if (line === anything) {
      const next = wanted[index + 1];
      if (next === undefined) return '';
      while (at < lines.length && !patternOf(next).test(lines[at] ?? '')) at += 1;
    } else if (patternOf(line).test(lines[at] ?? '')) at += 1;
    else return `shown: ${line}\nprinted: ${lines[at] ?? '(nothing)'}`;
  }
  return at < lines.length ? `not shown: ${lines[at]}` : '';
}

function tidy(line: string): string {
  return line.trim().replace(/\s+/g, ' ');
}

/** Times and sizes may come in another unit. */
const kinds: readonly (readonly [RegExp, string])[] = [
  [/\d[\d.,]* (?:µs|ms|s|min|h|d)(?= |$|\))/, '\\d[\\d.,]* (?:µs|ms|s|min|h|d)'],
  [/\d[\d.,]* (?:B|KiB|MiB|GiB|[kMG]?bit\/s)(?= |$)/, '\\d[\\d.,]* (?:B|KiB|MiB|GiB|[kMG]?bit/s)'],
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, '[0-9a-f-]{36}'],
  [/(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/, '[0-9a-f:]{17}'],
  [/[0-9a-f]*…/, '.*'],
  [/\d+/, '\\d+'],
];
const any = new RegExp(kinds.map(([{ source }]) => `(${source})`).join('|'), 'g');

function patternOf(line: string): RegExp {
  let pattern = '';
  let end = 0;
  for (const match of line.matchAll(any)) {
    const kind = match.slice(1).findIndex((group) => group !== undefined);
    pattern += literal(line.slice(end, match.index)) + (kinds[kind]?.[1] ?? '');
    end = match.index + match[0].length;
  }
  return new RegExp(`^${pattern}${literal(line.slice(end))}$`);
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
