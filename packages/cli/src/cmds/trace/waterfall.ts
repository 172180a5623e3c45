// Steps as bars on one scale of time.

export interface TimedStep {
  readonly startMs: number;
  readonly durationMs: number;
}

/**
 * A bar for each step, where it stands and as long as it is on a scale of the whole order; a step that is too short for a column has one
 * all the same.
 * @param totalMs of the whole order. @param columns of the scale.
 */
export function waterfall(steps: readonly TimedStep[], totalMs: number, columns: number): string[] {
  const longest = Math.max(totalMs, ...steps.map(({ startMs, durationMs }) => startMs + durationMs));
  const column = (ms: number): number => (longest > 0 ? Math.round((ms / longest) * columns) : 0);
  return steps.map(({ startMs, durationMs }) => {
    const from = Math.min(column(startMs), columns - 1);
    const length = Math.max(1, Math.min(column(startMs + durationMs), columns) - from);
    return `${' '.repeat(from)}${'='.repeat(length)}`.padEnd(columns);
  });
}
