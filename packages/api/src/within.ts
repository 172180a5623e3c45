// Waiting for an answer, but not for ever.

const late = Symbol('late');

/**
 * What an answer comes to, or what `otherwise` gives after `timeoutMs`. The answer is not ended: where that costs something, a signal of
 * its own must end it.
 * @throws what the answer throws in time, or `otherwise`.
 */
export async function within<T, U>(
  timeoutMs: number,
  answer: PromiseLike<T> | T,
  otherwise: () => U,
): Promise<T | U> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, late);
  });
  try {
    const first = await Promise.race([answer, timeout]);
    return first === late ? otherwise() : first;
  } finally {
    clearTimeout(timer);
  }
}
