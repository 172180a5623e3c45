// Waiting for something to become true, with a deadline that says what was waited for.

const patienceMs = 15_000;

/** How long and how often. */
export interface WaitOptions {
  /** Milliseconds; default 15000: enough on a machine that has ten times as much to do as it can. */
  readonly timeout?: number;
  /**
   * Milliseconds between looks, for what tells of itself by no event. Default: a twentieth of the wait so far, from 10 to 50: most looks
   * are questions that cost two processes some time.
   */
  readonly interval?: number;
  /** Shown when it does not happen. */
  readonly what?: string;
}

/**
 * Looks again and again until `condition` returns (or resolves to) something truthy, and returns that; a throw counts as
 * not yet. @throws Error after the timeout, with the last error as its cause
 */
export const waitFor = async <T>(
  condition: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<NonNullable<T>> => {
  const { timeout = patienceMs, interval, what = 'condition' } = options;
  const begin = Date.now();
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    const waitedMs = Date.now() - begin;
    if (waitedMs >= timeout) throw new Error(`${what}: not within ${timeout} ms`, { cause });
    const pauseMs = interval ?? Math.min(50, Math.max(10, waitedMs / 20));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
};

/** The first value of an async iterable that `accept` takes; ends the iteration. @throws Error after the timeout, or when it ends first */
export const waitForItem = async <T, U extends T = T>(
  items: AsyncIterable<T>,
  accept: ((item: T) => item is U) | ((item: T) => boolean),
  options: WaitOptions = {},
): Promise<U> => {
  const { timeout = patienceMs, what = 'item' } = options;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeout} ms`)), timeout);
  });
  const search = async (): Promise<U> => {
    for await (const item of items) if (accept(item)) return item as U;
    throw new Error(`${what}: ended before it came`);
  };
  try {
    return await Promise.race([search(), late]);
  } finally {
    clearTimeout(timer);
  }
};
