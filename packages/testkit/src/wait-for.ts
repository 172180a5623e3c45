// Waiting for something to become true, with a deadline that says what was waited for.

const patienceMs = 15_000;

/** How long and how often. */
export interface WaitOptions {
  /** Milliseconds; default 15000: enough on a machine that has ten times as much to do as it can. */
  readonly timeout?: number;
  /** Milliseconds between looks, for what tells of itself by no event; default 10. */
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
  const { timeout = patienceMs, interval = 10, what = 'condition' } = options;
  const end = Date.now() + timeout;
  let cause: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (Date.now() >= end) throw new Error(`${what}: not within ${timeout} ms`, { cause });
    await new Promise((resolve) => setTimeout(resolve, interval));
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
