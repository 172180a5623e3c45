// Work on thousands of items, a few of them at the same time.

/** Connections that are moved, or looked at, at the same time when there are many. */
const defaultAtOnce = 16;

/**
 * Does something with each, in their order.
 * @param atOnce how many are under way at the same time. Default: 16.
 * @throws what the first failure threw, once no item is under way any more; items that were not begun by then are not.
 */
export async function forEachLimited<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce: number = defaultAtOnce,
): Promise<void> {
  const queue = items.values();
  const lane = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  const lanes = Array.from({ length: Math.min(atOnce, items.length) }, lane);
  for (const outcome of await Promise.allSettled(lanes))
    if (outcome.status === 'rejected') throw outcome.reason;
}
