// Waits for any number of descriptors to become readable without blocking the event loop, a thread, or the process's end.
import { setImmediate } from 'node:timers';
import * as libc from './libc.js';
import { check } from './netlink-error.js';

/** Settings of a {@link Poller}. */
export interface PollerOptions {
  /** Whether the process stays alive for it as long as something is watched. Default true. */
  readonly keepAlive?: boolean | undefined;
}

/** Settings of one watch. */
export interface WatchOptions {
  /** End the watch with its first event: for descriptors that stay readable for ever, such as pidfds. Default false. */
  readonly once?: boolean | undefined;
}

/** What happened to a descriptor. */
export interface PollEvent {
  readonly readable: boolean;
  /** The other side has hung up (EPOLLHUP), or the descriptor has an error pending (EPOLLERR). */
  readonly closed: boolean;
}

interface Watch {
  readonly fd: number;
  readonly callback: (event: PollEvent) => void;
  readonly once: boolean;
}

const EVENTS_AT_ONCE = 64;

/**
 * One epoll instance; the event loop watches that one descriptor, whatever the number of those within, and no thread is
 * spent. Level-triggered: a callback that leaves something unread is called again in the next turn of the event loop, so
 * no event is lost, and one that never reads turns the loop without end. Works the same in worker threads.
 */
export class Poller implements Disposable {
  readonly #epoll: number;
  readonly #loop: libc.LoopWatch;
  readonly #keepAlive: boolean;
  // By token and not by descriptor: a descriptor closed and reused must not get an event meant for its predecessor.
  readonly #watches = new Map<number, Watch>();
  readonly #events = Buffer.allocUnsafeSlow(libc.EPOLL_EVENT_SIZE * EVENTS_AT_ONCE);
  #lastToken = 0;
  #scheduled = false;
  #closed = false;

  /** @throws NetlinkError EMFILE */
  constructor(options: PollerOptions = {}) {
    this.#keepAlive = options.keepAlive ?? true;
    this.#epoll = check(libc.epollCreate(libc.O_CLOEXEC), 'make epoll instance', '');
    this.#loop = libc.watchReadable(this.#epoll, () => this.#schedule());
    this.#loop.unref();
  }

  /** Number of descriptors being watched. */
  get size(): number {
    return this.#watches.size;
  }

  /**
   * Calls `callback` whenever `fd` is readable, hung up or in error, until the result is disposed of. Dispose of it before
   * closing `fd`. A throw in a callback is an uncaught exception, and does not disturb the others.
   * @throws NetlinkError EEXIST when this poller watches `fd` already, EPERM when it cannot be waited for (files)
   */
  watch(fd: number, callback: (event: PollEvent) => void, options: WatchOptions = {}): Disposable {
    if (this.#closed) throw new TypeError('the poller is closed');
    const token = ++this.#lastToken;
    const once = options.once ?? false;
    const event = Buffer.alloc(libc.EPOLL_EVENT_SIZE);
    event.writeUInt32LE(libc.EPOLLIN | (once ? libc.EPOLLONESHOT : 0), 0);
    event.writeDoubleLE(token, libc.EPOLL_DATA_OFFSET);
    check(libc.epollControl(this.#epoll, libc.EPOLL_CTL_ADD, fd, event), 'watch descriptor', String(fd));
    this.#watches.set(token, { fd, callback, once });
    if (this.#keepAlive) this.#loop.ref();
    return { [Symbol.dispose]: () => this.#unwatch(token) };
  }

  /** Ends all watches. Harmless when repeated. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.clear();
    this.#loop.close();
    libc.close(this.#epoll);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #unwatch(token: number): void {
    const watch = this.#watches.get(token);
    if (watch === undefined || !this.#watches.delete(token)) return;
    // Fails when the descriptor was closed before, which took it out already.
    libc.epollControl(this.#epoll, libc.EPOLL_CTL_DEL, watch.fd, null);
    if (this.#watches.size === 0) this.#loop.unref();
  }

  // The event loop's callback only schedules (see watchReadable); setImmediate runs before the next wait, so what is
  // still readable is not reported twice.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#dispatch();
    });
  }

  #dispatch(): void {
    const count = libc.epollWait(this.#epoll, this.#events, EVENTS_AT_ONCE, 0);
    for (let index = 0; index < count; index++) {
      const at = index * libc.EPOLL_EVENT_SIZE;
      const bits = this.#events.readUInt32LE(at);
      const token = this.#events.readDoubleLE(at + libc.EPOLL_DATA_OFFSET);
      // Gone when an earlier callback of this turn ended it.
      const watch = this.#watches.get(token);
      if (watch === undefined) continue;
      if (watch.once) this.#unwatch(token);
      const event: PollEvent = {
        readable: (bits & libc.EPOLLIN) !== 0,
        closed: (bits & (libc.EPOLLHUP | libc.EPOLLERR)) !== 0,
      };
      try {
        watch.callback(event);
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
    }
  }
}
