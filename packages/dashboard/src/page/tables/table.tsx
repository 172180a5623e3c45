// A table of any length: only the rows that are seen are there, and arrow keys walk from row to row.
import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { address, go } from '../address.js';

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** By what rows are sorted when the title is chosen. Default: they are not. */
  readonly sortBy?: (row: Row) => string | number;
  readonly isNumber?: boolean;
  /** Columns of rank 2 and 3 are left out on narrow screens. */
  readonly rank: 1 | 2 | 3;
}

export interface TableOptions<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** Key of the thing that a row shows. */
  readonly keyOf: (row: Row) => string;
  /** What is said where there are no rows. */
  readonly none: string;
}

/** Pixels, as in the style sheet. */
const rowHeight = 36;
/** Rows that are there beyond those that are seen. */
const spare = 8;

export function Table<Row>({ label, rows, columns, keyOf, none }: TableOptions<Row>): JSX.Element {
  const scroller = useRef<HTMLElement>(null);
  const seen = useSignal({ top: 0, height: 800 });
  const order = useSignal({ column: -1, down: false });
  const sorted = sort(rows, columns[order.value.column]?.sortBy, order.value.down);
  const first = Math.max(0, Math.floor(seen.value.top / rowHeight) - spare);
  const last = Math.min(sorted.length, Math.ceil((seen.value.top + seen.value.height) / rowHeight) + spare);
  const { select } = address.value;
  const chosen = sorted.findIndex((row) => keyOf(row) === select);

  useEffect(() => {
    const at = scroller.current;
    if (!at) return;
    const resized = new ResizeObserver(() => look());
    resized.observe(at);
    return () => resized.disconnect();
  }, []);
  const look = (): void => {
    const { scrollTop: top = 0, clientHeight: height = 0 } = scroller.current ?? {};
    if (top !== seen.value.top || height !== seen.value.height) seen.value = { top, height };
  };
  const walk = (event: KeyboardEvent): void => {
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, Home: 0, End: sorted.length - 1 }[event.key];
    if (to === undefined || sorted.length === 0) return;
    event.preventDefault();
    const next = Math.min(sorted.length - 1, Math.max(0, to));
    const at = scroller.current;
    // The title row stands over the first of those that are seen.
    if (at && next * rowHeight < at.scrollTop) at.scrollTop = next * rowHeight;
    if (at && (next + 2) * rowHeight > at.scrollTop + at.clientHeight)
      at.scrollTop = (next + 2) * rowHeight - at.clientHeight;
    go({ select: keyOf(sorted[next] as Row) }, true);
  };

  return (
    <section class="scroller" ref={scroller} onScroll={look} onKeyDown={walk} tabIndex={0} aria-label={label}>
      <table aria-rowcount={sorted.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ title, sortBy, isNumber, rank }, index) => (
              <th
                key={title}
                scope="col"
                class={`rank-${rank}${isNumber ? ' number' : ''}`}
                aria-sort={
                  order.value.column === index ? (order.value.down ? 'descending' : 'ascending') : undefined
                }
              >
                {sortBy ? (
                  <button
                    type="button"
                    onClick={() => {
                      const same = order.value.column === index;
                      order.value = { column: index, down: same ? !order.value.down : isNumber === true };
                    }}
                  >
                    {title}
                    <span aria-hidden="true">
                      {order.value.column === index ? (order.value.down ? ' ↓' : ' ↑') : ''}
                    </span>
                  </button>
                ) : (
                  title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Space rows={first} columns={columns.length} />
          {sorted.slice(first, last).map((row, index) => {
            const key = keyOf(row);
            return (
              <tr
                key={key}
                aria-rowindex={first + index + 2}
                aria-selected={key === select}
                class={key === select ? 'chosen' : ''}
                onClick={(event) => {
                  if (!(event.target as Element).closest('a, button')) go({ select: key });
                }}
              >
                {columns.map(({ title, cell, isNumber, rank }) => (
                  <td key={title} class={`rank-${rank}${isNumber ? ' number' : ''}`}>
                    {cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          <Space rows={sorted.length - last} columns={columns.length} />
        </tbody>
      </table>
      {sorted.length === 0 && <p class="none">{none}</p>}
    </section>
  );
}

/** Stands for rows that are not seen. */
function Space({ rows, columns }: { rows: number; columns: number }): JSX.Element | null {
  if (rows <= 0) return null;
  const height = `${rows * rowHeight}px`;
  return (
    <tr class="space">
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}

function sort<Row>(
  rows: readonly Row[],
  by: ((row: Row) => string | number) | undefined,
  down: boolean,
): readonly Row[] {
  if (!by) return rows;
  const sign = down ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [by(a), by(b)];
    if (typeof left === 'number' && typeof right === 'number') return sign * (left - right);
    return sign * String(left).localeCompare(String(right), 'en', { numeric: true });
  });
}
