// How much room texts take, and where they are broken. Columns throughout.
import { randomBytes } from 'node:crypto';
import { inUsersWords, printable } from './printable.js';

/** Stands for the escape character of a style until it is printed. Another in each process: strangers cannot write one. */
export const mark: string = `\x1b${randomBytes(12).toString('hex')}`;
const styleMark = new RegExp(`${mark}\\[\\d+m`, 'g');

/** Between two columns. */
export const gap = '  ';

export function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, width(cell));
    });
  return widths;
}

export function widthOfTable(rows: readonly (readonly string[])[]): number {
  return widthsOf(rows).reduce((sum, column) => sum + column + gap.length, -gap.length);
}

/** Columns below which a text is not broken: it would be hardly more than a word a line. */
export const minimalRoom = 12;

/** Lines of at most so many columns, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && width(`${line} ${word}`) > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Columns that a cell takes. */
export function width(cell: string): number {
  return printable(inUsersWords(cell.replace(styleMark, ''))).length;
}
