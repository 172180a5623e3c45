// Folders that other processes may write to: that something appears or disappears in one is told once, until it is asked for again
// (inotify(7), IN_ONESHOT). A process that never stops changing its folder is told of as seldom as it is asked for, and does not fill
// the queue, in which the events of all other folders are.
import * as libc from './libc.js';
import { check } from './netlink-error.js';
import type { Poller } from './poller.js';

const inotifyInit: libc.Call<[flags: number]> = libc.define('int inotify_init1(int flags)');
const addWatch: libc.Call<[fd: number, path: string, mask: number]> = libc.define(
  'int inotify_add_watch(int fd, const char *path, uint32_t mask)',
);
const removeWatch: libc.Call<[fd: number, watch: number]> = libc.define(
  'int inotify_rm_watch(int fd, int watch)',
);

const [IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE, IN_IGNORED] = [0x40, 0x80, 0x100, 0x200, 0x8000];
const [IN_ONLYDIR, IN_DONT_FOLLOW, IN_ONESHOT] = [0x1000000, 0x2000000, 0x80000000];
const changes = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE;
const mask = (changes | IN_ONLYDIR | IN_DONT_FOLLOW | IN_ONESHOT) >>> 0;
/** struct inotify_event without its name. */
const eventSize = 16;

export class FolderWatch implements Disposable {
  readonly #fd: number;
  readonly #watching: Disposable;
  /** Who is to be called, by the number of the watch. */
  readonly #asked = new Map<number, () => void>();
  readonly #events = Buffer.allocUnsafeSlow(64 << 10);

  /** @throws NetlinkError EMFILE */
  constructor(poller: Poller) {
    this.#fd = check(inotifyInit(libc.O_CLOEXEC | libc.O_NONBLOCK), 'watch', 'folders');
    this.#watching = poller.watch(this.#fd, () => this.#read());
  }

  /**
   * Calls `callback` with the next change in a folder, once; never where the folder goes. For each folder one may ask at a time.
   * @throws NetlinkError ENOENT; ENOSPC
   */
  once(folder: string, callback: () => void): Disposable {
    const watch = check(addWatch(this.#fd, folder, mask), 'watch', folder);
    this.#asked.set(watch, callback);
    return {
      [Symbol.dispose]: () => {
        if (this.#asked.delete(watch)) removeWatch(this.#fd, watch);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#watching[Symbol.dispose]();
    this.#asked.clear();
    libc.close(this.#fd);
  }

  #read(): void {
    const length = libc.read(this.#fd, this.#events, this.#events.length);
    for (let at = 0; at < length; at += eventSize + this.#events.readUInt32LE(at + 12)) {
      const watch = this.#events.readInt32LE(at);
      const isOver = (this.#events.readUInt32LE(at + 4) & IN_IGNORED) !== 0;
      const callback = this.#asked.get(watch);
      // After its one event a watch is gone.
      this.#asked.delete(watch);
      if (!isOver) callback?.();
    }
  }
}
