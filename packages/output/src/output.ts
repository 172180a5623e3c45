// What a command prints: aligned tables and lists for people, JSON for programs. All of it goes through `#print`, where text that
// strangers named becomes text that a terminal only shows.
import { colourAllowed, knowsUnicode } from './config.js';
import { gap, mark, minimalRoom, width, widthOfTable, widthsOf, wrapped } from './layout.js';
import { inUsersWords, printable, printableLines } from './printable.js';

export interface LineSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly rows?: number;
  readonly columns?: number;
}

/** Where each style begins and ends, ECMA-48 section 8.3.117 (SGR). */
const styles = {
  bold: ['[1m', '[22m'],
  dim: ['[2m', '[22m'],
  green: ['[32m', '[39m'],
  red: ['[31m', '[39m'],
  yellow: ['[33m', '[39m'],
} as const;
export type Style = keyof typeof styles;

export type Mark = 'well' | 'warning' | 'pending' | 'broken' | 'untried';

/** What stands before a line that says how something is: its colour, and how it is written with and without Unicode. */
const marks: Readonly<Record<Mark, readonly [style: Style, mark: string, ascii: string]>> = {
  well: ['green', '√', '+'],
  warning: ['yellow', '!', '!'],
  pending: ['yellow', '…', '~'],
  broken: ['red', '×', 'x'],
  untried: ['dim', '-', '-'],
};

export class Output {
  readonly json: boolean;
  /** True on a terminal that can move its cursor and show colours. */
  readonly live: boolean;
  readonly #out: LineSink;
  #draft = false;

  constructor(json: boolean, out: LineSink = process.stdout) {
    this.json = json;
    this.#out = out;
    this.live = colourAllowed && out.isTTY === true;
  }

  /** One line, whatever the text has. */
  line(text: string): void {
    this.#print(text, printable, '\n');
  }

  /** Text that has lines of its own. */
  lines(text: string): void {
    this.#print(text, printableLines, '\n');
  }

  /** A text behind a lead. On a terminal it is broken between words where the terminal ends, and goes on below its beginning. */
  item(lead: string, text: string): void {
    const from = width(lead);
    const room = this.columns - from;
    const lines = room < minimalRoom ? [text] : wrapped(text, room);
    for (const [index, line] of lines.entries())
      this.line(`${index === 0 ? lead : ' '.repeat(from)}${line}`.trimEnd());
  }

  /** Of a terminal; infinitely many elsewhere. */
  get columns(): number {
    return (this.#out.isTTY && this.#out.columns) || Number.POSITIVE_INFINITY;
  }

  /** As `lines`, and for people each of them as `item` writes: behind what it begins with, blanks or the name of the program. */
  paragraphs(text: string): void {
    if (this.json) this.lines(text);
    for (const line of this.json ? [] : text.split('\n')) {
      const [lead = ''] = /^(?:nsm: |\s*)/.exec(line) ?? [];
      this.item(lead, line.slice(lead.length));
    }
  }

  /** A line that the next one takes the place of. Only on a terminal that is `live`. */
  draft(text: string): void {
    if (!this.live) return;
    this.#print(text, printable, '');
    this.#draft = true;
  }

  /** Takes a draft away. */
  clear(): void {
    if (this.#draft) this.#out.write('\r\x1b[2K');
    this.#draft = false;
  }

  /** Lines of a terminal that is `live`. */
  get rows(): number | undefined {
    return this.live ? this.#out.rows : undefined;
  }

  /** A screen of its own until it is disposed of (xterm, DECSET 1049), so that what was there before comes back. */
  screen(): Disposable {
    if (this.live) this.#out.write('\x1b[?1049h');
    return {
      [Symbol.dispose]: () => {
        if (this.live) this.#out.write('\x1b[?1049l');
      },
    };
  }

  /** What follows takes the place of all on the screen. Only on a terminal that is `live`. */
  home(): void {
    if (this.live) this.#out.write('\x1b[H\x1b[J');
  }

  /** One JSON document: indented on a terminal, one line elsewhere. */
  value(value: unknown): void {
    this.lines(JSON.stringify(value, undefined, this.#out.isTTY ? 2 : undefined));
  }

  /** One JSON document on one line, also on a terminal: one of many. */
  record(value: unknown): void {
    this.lines(JSON.stringify(value));
  }

  /** A table, or what to say of an empty one. */
  table(header: readonly string[], rows: readonly (readonly string[])[], empty: string): void {
    if (rows.length === 0) this.line(empty);
    else this.#align([header.map((title) => this.paint('dim', title)), ...rows]);
  }

  /** As `table`; on a terminal that is too narrow for it each row has lines of its own, which begin with its first column. */
  wideTable(header: readonly string[], rows: readonly (readonly string[])[], empty: string): void {
    const [, ...titles] = header;
    if (widthOfTable([header, ...rows]) <= this.columns) {
      this.table(header, rows, empty);
      return;
    }
    for (const [name = '', ...cells] of rows) {
      this.line(name);
      const pairs = cells.map((cell, index) => [titles[index]?.toLowerCase() ?? '', cell] as const);
      this.#fill(
        pairs.map(([title, cell]) => `${this.paint('dim', title)} ${cell}`),
        this.columns,
      );
    }
  }

  /** As `table`; on a terminal that is too narrow without some of these columns, the first that can be done without first. */
  fittingTable(
    header: readonly string[],
    rows: readonly (readonly string[])[],
    empty: string,
    dispensable: readonly string[],
  ): void {
    let kept = header.map((_, column) => column);
    const narrow = (): string[][] => [header, ...rows].map((row) => kept.map((column) => row[column] ?? ''));
    for (const title of dispensable)
      if (widthOfTable(narrow()) > this.columns) kept = kept.filter((column) => header[column] !== title);
    const [titles = [], ...cells] = narrow();
    this.table(titles, cells, empty);
  }

  /** Names and values under each other, as `item` writes them; undefined and empty values are left out. */
  list(entries: readonly (readonly [name: string, value: string | undefined])[]): void {
    const shown = entries.filter((entry): entry is [string, string] => !!entry[1]);
    const [widest = 0] = widthsOf(shown.map(([name]) => [name]));
    for (const [name, value] of shown)
      this.item(`${this.paint('dim', name)}${' '.repeat(widest - width(name))}${gap}`, value);
  }

  /** Part of a line, coloured on a terminal that is `live`. */
  paint(style: Style, text: string): string {
    const [begin, end] = styles[style];
    return this.live ? `${mark}${begin}${text}${mark}${end}` : text;
  }

  /** One character that says how something is. */
  mark(mark: Mark): string {
    const [style, unicode, ascii] = marks[mark];
    return this.paint(style, knowsUnicode ? unicode : ascii);
  }

  /** Green for what is well, red for what is broken, yellow for what is on its way. */
  state(state: string): string {
    if (/^(up|alive|yes|chosen|works|synced)$/i.test(state)) return this.paint('green', state);
    if (/^(failed|gone|no|closed|dropped|stale)/i.test(state)) return this.paint('red', state);
    return this.paint('yellow', state);
  }

  /** Texts one behind the other, as many in a line as there is room for, below a name. */
  #fill(texts: readonly string[], room: number): void {
    let line = '';
    for (const text of texts) {
      if (line !== '' && width(`${line}${gap}${text}`) > room) {
        this.line(line);
        line = '';
      }
      line = `${line}${gap}${text}`;
    }
    if (line !== '') this.line(line);
  }

  /** Rows with their columns aligned, of which the last is written as `item` writes. */
  #align(rows: readonly (readonly string[])[]): void {
    const widths = widthsOf(rows);
    for (const row of rows) {
      const cells = row.slice(0, -1).map((cell, column) => {
        return `${cell}${' '.repeat((widths[column] ?? 0) - width(cell))}${gap}`;
      });
      this.item(cells.join(''), row.at(-1) ?? '');
    }
  }

  #print(text: string, shown: (text: string) => string, end: string): void {
    this.clear();
    const words = this.json ? text : inUsersWords(text);
    const printed = words.split(mark).map(shown).join('\x1b');
    this.#out.write(`${knowsUnicode ? printed : printed.replaceAll('…', '...')}${end}`);
  }
}

/** `-` for nothing, so that no column of a table is empty. */
export function orDash(text: string): string {
  return text === '' ? '-' : text;
}
