// Load: a fixed number of requests in flight, the next one made when one is answered.

export interface Loaded {
  /** Milliseconds, one for each request. */
  readonly latencies: readonly number[];
  /** Milliseconds from the first request to the last answer. */
  readonly elapsed: number;
}

/** @throws the first failure of `work`: a benchmark in which requests fail measures something else. */
export async function closedLoop(
  count: number,
  inFlight: number,
  work: (index: number) => Promise<unknown>,
): Promise<Loaded> {
  const latencies: number[] = [];
  let next = 0;
  const started = performance.now();
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const before = performance.now();
      await work(index);
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, lane));
  return { latencies, elapsed: performance.now() - started };
}
