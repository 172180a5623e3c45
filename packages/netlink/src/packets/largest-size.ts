// Finds the largest packet that gets through, when those that do not are only known by their silence.

/** So many sizes are tried at once: one after the other each would wait for an answer that does not come. */
const atOnce = 24;

/**
 * @param passes bytes of a packet that gets through. @param fails bytes of one that does not.
 * @param tryAll sends packets of these sizes. @returns, of `tryAll`, the sizes that got through.
 * @returns bytes of the largest packet that gets through.
 */
export async function largestSize(
  passes: number,
  fails: number,
  tryAll: (sizes: readonly number[]) => Promise<Iterable<number>>,
): Promise<number> {
  const sizes = between(passes, fails);
  if (sizes.length === 0) return passes;
  const most = Math.max(passes, ...(await tryAll(sizes)));
  return await largestSize(most, Math.min(fails, ...sizes.filter((size) => size > most)), tryAll);
}

/** Sizes between one that passes and one that does not, evenly. */
function between(passes: number, fails: number): number[] {
  const room = fails - passes - 1;
  const count = Math.min(room, atOnce);
  const sizes = Array.from(
    { length: Math.max(0, count) },
    (_, index) => passes + Math.ceil(((index + 1) * room) / count),
  );
  return [...new Set(sizes)];
}
