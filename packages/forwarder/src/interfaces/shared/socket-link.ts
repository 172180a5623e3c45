// Lets one side reach the socket that the other side listens on, by a hard link, whenever that socket is made anew.
import { chmodSync, closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { type FolderWatch, libc, NetlinkError } from '@nsm/netlink';

/** Milliseconds until a folder in which something has changed is looked at again: doubles from first to most while it never rests. */
const againMs = { first: 10, most: 1000 };

export class SocketLink {
  readonly #socket: string;
  readonly #link: string;
  readonly #folders: FolderWatch;
  readonly #folder: string;
  #watch: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = againMs.first;

  /**
   * @param socket where a side will listen, in a folder where its pod may do anything at any moment.
   * @param link where the other side will find it.
   * @throws NetlinkError ENOSPC
   */
  constructor(socket: string, link: string, folders: FolderWatch) {
    this.#socket = socket;
    this.#link = link;
    this.#folders = folders;
    this.#folder = identityOf(dirname(socket));
    this.#look();
  }

  /**
   * Makes the link again if it was removed.
   * @returns false when the socket's folder was replaced by another, which is not watched.
   */
  mend(): boolean {
    if (identityOf(dirname(this.#socket)) !== this.#folder) return false;
    this.#follow();
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watch?.[Symbol.dispose]();
  }

  #look(): void {
    const since = performance.now();
    this.#watch = this.#folders.once(dirname(this.#socket), () => {
      const rested = performance.now() - since > this.#pauseMs;
      this.#pauseMs = rested ? againMs.first : Math.min(2 * this.#pauseMs, againMs.most);
      this.#timer = setTimeout(() => this.#lookAgain(), this.#pauseMs).unref();
      this.#follow();
    });
    // What came before is told by no event.
    this.#follow();
  }

  #lookAgain(): void {
    try {
      this.#look();
    } catch {
      // There are too many watches; or the folder has gone, and with it comes the end of this.
      this.#timer = setTimeout(() => this.#lookAgain(), againMs.most).unref();
    }
  }

  #follow(): void {
    try {
      if (inodeOf(this.#socket) === inodeOf(this.#link)) return;
      rmSync(this.#link, { force: true });
      linkSocket(this.#socket, this.#link);
    } catch {
      // The socket is not there, is no socket, or is being replaced: there is nothing to reach, and the next event tells more.
    }
  }
}

/** Tells a folder from every other that has, or had, its name; '' when there is none. */
export function identityOf(folder: string): string {
  const found = lstatSync(folder, { bigint: true, throwIfNoEntry: false });
  return found ? `${found.ino} ${found.birthtimeNs}` : '';
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/**
 * The folder of `socket` belongs to a pod, which may put anything there at any moment: the socket is opened without following
 * links, checked, and only the opened socket is touched.
 * @throws Error when there is no socket.
 */
export function linkSocket(socket: string, link: string): void {
  const fd = openSync(socket, libc.O_PATH | constants.O_NOFOLLOW);
  try {
    const found = fstatSync(fd);
    if (!found.isSocket()) throw new Error(`${socket} is no socket`);
    if (found.nlink !== 1) throw new Error(`${socket} is somebody else's socket: it has another name too`);
    const opened = `/proc/self/fd/${fd}`;
    // Every process that can reach the socket may connect: its folders decide.
    chmodSync(opened, 0o666);
    const result = libc.linkFollowing(opened, link);
    if (result < 0) throw new NetlinkError(-result, 'link', `${socket} to ${link}`);
  } finally {
    closeSync(fd);
  }
}
