// Leases that run out unless they are renewed.
import type { Clock } from '../clock.js';

export class LeaseTable {
  readonly #clock: Clock;
  readonly #expired: (name: string) => void;
  readonly #timers = new Map<string, Disposable>();

  /** `expired` is called once for each lease that runs out. */
  constructor(clock: Clock, expired: (name: string) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  has(name: string): boolean {
    return this.#timers.has(name);
  }

  /** Begins a lease of `leaseMs` milliseconds, or begins it anew. */
  renew(name: string, leaseMs: number): void {
    this.drop(name);
    const due = this.#clock.now() + leaseMs;
    const timer = this.#clock.after(leaseMs, () => {
      // A timer this late means that this process stood still: renewals may be waiting in its sockets.
      if (this.#clock.now() - due > leaseMs / 3) return this.renew(name, leaseMs);
      this.#timers.delete(name);
      this.#expired(name);
    });
    this.#timers.set(name, timer);
  }

  drop(name: string): void {
    this.#timers.get(name)?.[Symbol.dispose]();
    this.#timers.delete(name);
  }

  clear(): void {
    for (const name of [...this.#timers.keys()]) this.drop(name);
  }
}
