// What came of all rounds.
export interface PingSummary {
  readonly sent: number;
  readonly received: number;
  /** Rounded. */
  readonly lossPercent: number;
  /** Milliseconds; 0 when nothing came back. */
  readonly leastMs: number;
  readonly medianMs: number;
  readonly mostMs: number;
}

/** @param times milliseconds of each round; undefined: lost. */
export function summaryOf(times: readonly (number | undefined)[]): PingSummary {
  const came = times.filter((time) => time !== undefined).toSorted((a, b) => a - b);
  const sent = times.length;
  return {
    sent,
    received: came.length,
    lossPercent: sent === 0 ? 0 : Math.round((100 * (sent - came.length)) / sent),
    leastMs: came[0] ?? 0,
    medianMs: came[Math.floor(came.length / 2)] ?? 0,
    mostMs: came.at(-1) ?? 0,
  };
}
