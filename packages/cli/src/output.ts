// What a command prints: aligned tables and lists for people, JSON for programs.
import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import { colourAllowed } from './config.js';

interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export type Colours = ReturnType<typeof picocolors.createColors>;

export class Output {
  readonly json: boolean;
  readonly colours: Colours;
  readonly #out: Sink;

  constructor(json: boolean, out: Sink = process.stdout) {
    this.json = json;
    this.#out = out;
    this.colours = picocolors.createColors(colourAllowed && out.isTTY === true);
  }

  line(text: string): void {
    this.#out.write(`${text}\n`);
  }

  /** One JSON document: indented on a terminal, one line elsewhere. */
  value(value: unknown): void {
    this.line(JSON.stringify(value, undefined, this.#out.isTTY ? 2 : undefined));
  }

  /** A table, or what to say of an empty one. */
  table(header: readonly string[], rows: readonly (readonly string[])[], empty: string): void {
    if (rows.length === 0) this.line(empty);
    else for (const line of alignTable([header.map(this.colours.dim), ...rows])) this.line(line);
  }

  /** Names and values under each other; undefined and empty values are left out. */
  list(entries: readonly (readonly [name: string, value: string | undefined])[]): void {
    const shown = entries.filter((entry): entry is [string, string] => !!entry[1]);
    for (const line of alignTable(shown.map(([name, value]) => [this.colours.dim(name), value])))
      this.line(line);
  }

  /** Green for what is well, red for what is broken, yellow for what is on its way. */
  state(state: string): string {
    const { green, red, yellow } = this.colours;
    if (/^(up|alive|yes|chosen|works|synced)$/i.test(state)) return green(state);
    if (/^(failed|gone|no|closed|dropped|stale)/i.test(state)) return red(state);
    return yellow(state);
  }
}

/** Rows with their columns aligned, two spaces between them. */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(cell));
    });
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - width(cell)),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** `-` for nothing, so that no column of a table is empty. */
export function orDash(text: string): string {
  return text === '' ? '-' : text;
}

function width(text: string): number {
  return stripVTControlCharacters(text).length;
}
