// What a connection carried, from its counters at moments: points of a chart, with gaps where nobody counted. Pure.
import type { Counters } from '../../model.js';
import { type Rates, ratesBetween } from '../store.js';

export interface CountersAt {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly counters: Counters;
}

export interface RatePoint {
  readonly at: number;
  /** null: nobody counted until then. */
  readonly rates: Rates | null;
}

/** Milliseconds: counters further apart tell nothing of the time between them. */
const longestMs = 10_000;

/** @param points in the order of their time. */
export function ratePoints(points: readonly CountersAt[]): RatePoint[] {
  return points.flatMap(({ at, counters }, index): RatePoint[] => {
    const before = points[index - 1];
    if (!before || at <= before.at) return [];
    const elapsed = at - before.at;
    return [{ at, rates: elapsed > longestMs ? null : ratesBetween(before.counters, counters, elapsed) }];
  });
}
