// What each failure cost, as a table: printed by the suite, and written into docs/reliability.md.
import type { Failure } from './failures.js';
import type { Outage } from './pinger.js';
import { writeSection } from './reliability-page.js';
import { type Column, columns } from './stage.js';

interface Cell {
  readonly outages: Outage[];
  /** Times it did not recover. */
  failed: number;
}

const none = '–';

export class Matrix {
  readonly #rows = new Map<string, Map<string, Cell>>();

  add(failure: Failure, column: Column, outage: Outage): void {
    this.#cell(failure, column).outages.push(outage);
  }

  fail(failure: Failure, column: Column): void {
    this.#cell(failure, column).failed++;
  }

  text(): string {
    const header = ['failure', ...columns.flatMap(({ name }) => [`${name}: lost`, 'ms'])];
    const rows = [...this.#rows].map(([name, cells]) => [
      name,
      ...columns.flatMap((column) => describe(cells.get(column.name))),
    ]);
    const line = (words: readonly string[]): string => `| ${words.join(' | ')} |`;
    const rule = header.map((_, index) => (index === 0 ? '---' : '--:'));
    return [header, rule, ...rows].map(line).join('\n');
  }

  write(): void {
    writeSection('failure-matrix', this.text());
  }

  #cell({ name }: Failure, column: Column): Cell {
    const row = this.#rows.get(name) ?? new Map<string, Cell>();
    this.#rows.set(name, row);
    const cell = row.get(column.name) ?? { outages: [], failed: 0 };
    row.set(column.name, cell);
    return cell;
  }
}

/** Packets lost and milliseconds to recover: median, and the worst where they differ. */
function describe(cell: Cell | undefined): [string, string] {
  if (!cell) return [none, none];
  if (cell.failed > 0)
    return ['**does not recover**', `${cell.failed} of ${cell.failed + cell.outages.length}`];
  return [spread(cell.outages.map(({ lost }) => lost)), spread(cell.outages.map(({ recovery }) => recovery))];
}

function spread(values: readonly number[]): string {
  const sorted = values.map(Math.round).toSorted((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  const worst = sorted.at(-1);
  return median === worst ? String(median) : `${median} (${worst})`;
}
