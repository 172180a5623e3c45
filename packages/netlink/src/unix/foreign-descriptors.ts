// Descriptors that other processes sent, and the sockets over which they come. To close one takes as long as its owner likes: a socket
// lingers (SO_LINGER, socket(7)), a file's system is a process that does not answer (FUSE), a file in memory is large. So threads close
// them that do nothing else.
import { closeInThread, type Thread } from '../libc/threads.js';

/** Milliseconds between two looks at threads that close: doubles from first to most while none of them ends. */
const lookMs = { first: 1, most: 256 };
/** More than come and go with the largest of an owner's sockets. */
const most = 256;

interface Closing {
  readonly waiting: number[];
  /** Closes the last that was taken from those that wait. */
  thread?: Thread | undefined;
}

export class ForeignDescriptors {
  readonly #closings = new Map<string, Closing>();
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = lookMs.first;

  /** Those of one owner are closed one after the other: whoever makes that slow waits for it alone. */
  close(owner: string, fd: number): void {
    const closing = this.#closings.get(owner) ?? { waiting: [] };
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
      if (closing.thread?.hasEnded() === false) continue;
      const [fd] = closing.waiting;
      if (fd === undefined) this.#closings.delete(owner);
      else {
        closing.thread = closeInThread(fd);
        if (closing.thread) closing.waiting.shift();
      }
      this.#pauseMs = lookMs.first;
    }
    clearTimeout(this.#timer);
    if (this.#closings.size > 0) this.#timer = setTimeout(() => this.#look(), this.#pauseMs).unref();
  }
}
