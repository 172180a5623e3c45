// Processes: when they began, and noticing at once when they end.
import { readFileSync } from 'node:fs';
import * as libc from './libc.js';
import { pidfdOpen } from './libc-syscalls.js';
import { check } from './netlink-error.js';
import type { Poller } from './poller.js';

/** When a process started, in clock ticks (1/100 s) since the machine did; undefined when there is no such process. */
export const processStartTime = (pid: number): number | undefined => {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses and may contain anything; field 22 is the 20th after it (proc(5)).
  const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return Number.isSafeInteger(started) ? started : undefined;
};

/**
 * A process held by a descriptor (pidfd): it cannot be mistaken for a later process with the same number, and does not
 * keep the process or its namespaces alive.
 */
export class ProcessHandle implements Disposable {
  readonly pid: number;
  /** Clock ticks (1/100 s) since the machine started: with the pid, an identity that survives our own restart. */
  readonly startTime: number;
  #fd: number;
  readonly #watches = new Set<Disposable>();

  constructor(fd: number, pid: number, startTime: number) {
    this.#fd = fd;
    this.pid = pid;
    this.startTime = startTime;
  }

  /** The pidfd; −1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Whether its number is still its own: until the process has ended and was waited for, what /proc tells of that number is told
   * of this process (proc_pid_fdinfo(5)).
   */
  hasItsNumber(): boolean {
    const told = readFileSync(`/proc/self/fdinfo/${this.#fd}`, 'utf8');
    return Number(/^Pid:\s+(-?\d+)$/m.exec(told)?.[1]) === this.pid;
  }

  /** Calls `callback` once when the process has ended, also when it has already. Each poller can be asked once. */
  onExit(poller: Poller, callback: () => void): Disposable {
    const watch = poller.watch(
      this.#fd,
      () => {
        this.#watches.delete(watch);
        callback();
      },
      { once: true },
    );
    this.#watches.add(watch);
    return {
      [Symbol.dispose]: () => {
        this.#watches.delete(watch);
        watch[Symbol.dispose]();
      },
    };
  }

  /** Resolves when the process has ended. @throws the signal's reason when aborted */
  exited(poller: Poller, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const watch = this.onExit(poller, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        watch[Symbol.dispose]();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Ends all watches and lets go of the process. Harmless when repeated. */
  close(): void {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#watches.clear();
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Holds a process by its number. @throws NetlinkError ESRCH: no such process (a zombie counts as one) */
export const openProcess = (pid: number): ProcessHandle => {
  const fd = check(pidfdOpen(pid, 0), 'open process', String(pid));
  // Read after the pidfd is open: were the number reused in between, the start time would be of the newer process, and
  // the pidfd, being of the older, would report its end at once.
  const startTime = processStartTime(pid);
  if (startTime === undefined) {
    libc.close(fd);
    check(-3, 'open process', String(pid));
  }
  return new ProcessHandle(fd, pid, startTime ?? 0);
};
