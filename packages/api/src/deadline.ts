// A time limit that holds.

/**
 * A signal that aborts when any of the others does, or after `timeoutMs` with a `TimeoutError`.
 *
 * `AbortSignal.any` refers to its sources weakly, and Node.js 20 clears the timer of a timeout that nothing else refers to: such a limit
 * is gone with the next garbage collection. A timeout that has a listener is kept until it is over.
 */
export function deadline(timeoutMs: number, ...others: readonly AbortSignal[]): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  timeout.addEventListener('abort', () => undefined, { once: true });
  return others.length === 0 ? timeout : AbortSignal.any([...others, timeout]);
}
