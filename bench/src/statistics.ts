// Order statistics of what was measured: medians and the tail, never means, because the machine is not ours alone.

/** Latencies of many requests, milliseconds. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly perSecond: number;
}

/** @param elapsed milliseconds during which all of them were made. */
export function summarize(latencies: readonly number[], elapsed: number): Summary {
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    count: sorted.length,
    p50: rounded(quantile(sorted, 0.5)),
    p99: rounded(quantile(sorted, 0.99)),
    max: rounded(sorted.at(-1) ?? 0),
    perSecond: rounded(elapsed > 0 ? (1000 * sorted.length) / elapsed : 0),
  };
}

export function median(values: readonly number[]): number {
  return rounded(
    quantile(
      values.toSorted((a, b) => a - b),
      0.5,
    ),
  );
}

/** The median of the rounds' own ratios: slow changes of load cancel in each. */
export function ratio(values: readonly number[], by: readonly number[]): number {
  return median(values.map((value, round) => value / (by[round] ?? 0)));
}

/** To a thousandth: what is behind it is noise. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Nearest rank: a value that was measured, never one in between. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
