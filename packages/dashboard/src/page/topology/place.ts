// Where everything in the graph stands: the same mesh looks the same each time. Pure.
import { grouped } from '@nsm/views/grouped';
import type { Chip, Graph } from './graph.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export const chipSize = { width: 148, height: 44 };
const gap = { x: 18, y: 18 };
/** Between the row of endpoints and that of clients: connections run through it. */
const lane = 96;
/** As in the style of boxes. */
const boxPadding = 34;
const boxGap = { x: 84, y: 84 };

/**
 * Endpoints of a node above its clients; nodes side by side, in as many rows as suit the shape of the window.
 * @param aspect width by height of the window.
 * @returns centres of chips, and of boxes that have none.
 */
export function place({ boxes, chips }: Graph, aspect: number): ReadonlyMap<string, Point> {
  const inside = grouped(chips, ({ node }) => node);
  const perRow = chipsPerRow(boxes.length, aspect);
  const plans = boxes.map(({ id }) => planOf(id, inside.get(id) ?? [], perRow));
  const columns = bestColumns(plans, aspect);
  const points = new Map<string, Point>();
  let y = 0;
  for (let first = 0; first < plans.length; first += columns) {
    const row = plans.slice(first, first + columns);
    let x = 0;
    for (const plan of row) {
      for (const [id, point] of plan.points) points.set(id, { x: x + point.x, y: y + point.y });
      x += plan.width + boxGap.x;
    }
    y += Math.max(...row.map(({ height }) => height)) + boxGap.y;
  }
  return points;
}

interface Plan {
  readonly width: number;
  readonly height: number;
  /** From the corner of the box. */
  readonly points: ReadonlyMap<string, Point>;
}

function chipsPerRow(boxes: number, aspect: number): number {
  if (aspect < 0.8) return 2;
  return boxes === 1 ? 6 : boxes <= 4 ? 4 : 3;
}

function planOf(box: string, chips: readonly Chip[], perRow: number): Plan {
  const named = (a: Chip, b: Chip): number => a.title.localeCompare(b.title, 'en', { numeric: true });
  const above = rowsOf(chips.filter(({ role }) => role === 'endpoint').toSorted(named), perRow);
  const below = rowsOf(chips.filter(({ role }) => role !== 'endpoint').toSorted(named), perRow);
  const widest = Math.max(1, ...[...above, ...below].map(({ length }) => length));
  const inner = widest * (chipSize.width + gap.x) - gap.x;
  const points = new Map<string, Point>();
  let y = boxPadding + chipSize.height / 2;
  const put = (rows: readonly (readonly Chip[])[]): void => {
    for (const row of rows) {
      const width = row.length * (chipSize.width + gap.x) - gap.x;
      row.forEach(({ id }, index) => {
        const x = boxPadding + (inner - width) / 2 + chipSize.width / 2 + index * (chipSize.width + gap.x);
        points.set(id, { x, y });
      });
      y += chipSize.height + gap.y;
    }
  };
  put(above);
  if (above.length > 0 && below.length > 0) y += lane - gap.y;
  put(below);
  // Its own place counts only where it has no chips.
  if (chips.length === 0) points.set(box, { x: boxPadding + inner / 2, y });
  const rows = Math.max(1, above.length + below.length);
  const spare = above.length > 0 && below.length > 0 ? lane - gap.y : 0;
  return {
    width: inner + 2 * boxPadding,
    height: 2 * boxPadding + rows * (chipSize.height + gap.y) - gap.y + spare,
    points,
  };
}

function rowsOf(chips: readonly Chip[], perRow: number): Chip[][] {
  // Rows of about the same length look calmer than a last one with a single chip.
  const rows = Math.ceil(chips.length / perRow);
  const length = Math.ceil(chips.length / Math.max(1, rows));
  return Array.from({ length: rows }, (_, row) => chips.slice(row * length, (row + 1) * length));
}

/** As many side by side as make the whole about as wide as the window. */
function bestColumns(plans: readonly Plan[], aspect: number): number {
  const shapes = plans.map((_, index) => {
    const columns = index + 1;
    const rows = Array.from({ length: Math.ceil(plans.length / columns) }, (_, row) =>
      plans.slice(row * columns, (row + 1) * columns),
    );
    const width = Math.max(
      ...rows.map((row) => row.reduce((sum, one) => sum + one.width + boxGap.x, -boxGap.x)),
    );
    const height = rows.reduce(
      (sum, row) => sum + Math.max(...row.map((one) => one.height)) + boxGap.y,
      -boxGap.y,
    );
    return { columns, scale: Math.min(aspect / width, 1 / height) };
  });
  return shapes.toSorted((a, b) => b.scale - a.scale)[0]?.columns ?? 1;
}
