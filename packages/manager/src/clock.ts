// Time and chance, as the lives of connections see them: tests have their own.
import { pause } from '@nsm/api';

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
  sleep: pause,
  random: Math.random,
};
