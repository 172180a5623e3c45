// Time and chance, as the lives of connections see them: tests have their own.

export interface Clock {
  /** Milliseconds since some moment, never going back. */
  now(): number;
  /** Calls once, after `delayMs`; never keeps the process alive. @returns what calls it off. */
  after(delayMs: number, call: () => void): () => void;
  /** Resolves after `delayMs`, or as soon as the signal aborts. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
  /** Evenly distributed, from 0 to less than 1. */
  random(): number;
}

/** The kernel's monotonic clock: a time of day that jumps changes nothing. */
export const monotonicClock: Clock = {
  now: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs).unref();
    return () => clearTimeout(timer);
  },
  sleep: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const timer = setTimeout(wake, delayMs).unref();
      signal.addEventListener('abort', wake, { once: true });
    }),
  random: Math.random,
};
