// Descriptors that other processes sent, and the sockets over which they come. To close one takes as long as its owner likes: a socket
// lingers (SO_LINGER, socket(7)), a file's system is a process that does not answer (FUSE), a file in memory is large. So threads close
// them that do nothing else.
import * as libc from '../libc/libc.js';
import { closeInThread, type Thread } from '../libc/threads.js';

/** Milliseconds between two looks at threads that close: doubles from first to most while none of them ends. */
const lookMs = { first: 1, most: 256 };
/** More than come and go with the largest of an owner's sockets. */
const most = 256;
/** Threads of one owner. */
const atOnce = 8;

interface Closing {
  readonly waiting: number[];
  threads: readonly Thread[];
}

export class ForeignDescriptors {
  readonly #closings = new Map<string, Closing>();
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = lookMs.first;

  /**
   * A few of an owner are closed at a time: whoever makes that slow waits for it alone.
   * @throws Error EBADF, as `libc.close`; it waits already to be closed
   */
  close(owner: string, fd: number): void {
    const closing = this.#closings.get(owner) ?? { waiting: [], threads: [] };
    if (closing.waiting.includes(fd))
      throw new Error(`close descriptor ${fd}: it waits already to be closed`);
    libc.requireOpen(fd);
    this.#closings.set(owner, closing);
    closing.waiting.push(fd);
    this.#look();
  }

  /** Whether so many descriptors of an owner wait that no more should be taken from it. */
  isBehind(owner: string): boolean {
    return (this.#closings.get(owner)?.waiting.length ?? 0) > most;
  }

  /** Begins to close all that wait, at the same time. */
  stop(): void {
    clearTimeout(this.#timer);
    for (const { waiting } of this.#closings.values()) for (const fd of waiting) closeInThread(fd);
    this.#closings.clear();
  }

  #look(): void {
    this.#pauseMs = Math.min(2 * this.#pauseMs, lookMs.most);
    for (const [owner, closing] of this.#closings) {
      const { waiting, threads } = closing;
      const running = threads.filter((thread) => !thread.hasEnded());
      if (running.length < threads.length) this.#pauseMs = lookMs.first;
      closing.threads = running;
      while (running.length < atOnce) {
        const fd = waiting.shift();
        const thread = fd === undefined ? undefined : closeInThread(fd);
        if (thread) running.push(thread);
        else if (fd !== undefined) waiting.unshift(fd);
        if (!thread) break;
        this.#pauseMs = lookMs.first;
      }
      if (running.length === 0 && waiting.length === 0) this.#closings.delete(owner);
    }
    clearTimeout(this.#timer);
    if (this.#closings.size > 0) this.#timer = setTimeout(() => this.#look(), this.#pauseMs).unref();
  }
}
