// A listening unix socket that keeps its place: never open wider than asked, and made again when its file is removed.
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { createServer, type Server as NetServer, connect as netConnect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { descriptorOf } from '../descriptor-of.js';
import { NsmError } from '../errors.js';
import { systemCodeOf } from '../system-code.js';

export interface UnixListenerOptions {
  /** Permission bits of the socket. Default: 0o600. */
  readonly mode?: number;
  /** Numeric group that owns the socket. Default: the process's. */
  readonly group?: number;
  /** Prepares the descriptor of the listening socket before any process can connect; what it accepts inherits that. */
  readonly prepare?: (fd: number) => void;
  /** Told when the socket's file was removed: it was made again, or, with an error, could not be yet. */
  readonly onRemoved?: (path: string, error?: NsmError) => void;
}

/** Milliseconds between two looks at the file. Not inotify: of its instances a user has 128, for all processes. */
const checkEveryMs = 1000;

export class UnixListener {
  readonly #path: string;
  readonly #options: UnixListenerOptions;
  readonly #accept: (socket: Socket) => void;
  #listener: NetServer | undefined;
  /** The file and its folder as they were last seen. */
  #file: Stats | undefined;
  #folder: Stats | undefined;
  #checkTimer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(path: string, options: UnixListenerOptions, accept: (socket: Socket) => void) {
    this.#path = path;
    this.#options = options;
    this.#accept = accept;
  }

  /**
   * Listens. A socket file without a server is replaced.
   * @throws NsmError `conflict` when another process serves the socket, `invalid` or `privilege` when none can be made there.
   */
  async start(): Promise<void> {
    const { mode = 0o600, group } = this.#options;
    while (this.#listener === undefined) {
      await removeStaleSocket(this.#path);
      try {
        await this.#listen(mode, group);
      } catch (thrown) {
        // Another process, which starts at the same time, was quicker: it is asked in turn whether it serves.
        if (systemCodeOf(thrown) !== 'EEXIST') throw cannotMake(this.#path, thrown);
      }
    }
    this.#isThere();
    this.#look();
  }

  /** Accepts no more connections and removes the file, if it is still this one's. Resolves when the last has ended. */
  async stop(): Promise<void> {
    clearTimeout(this.#checkTimer);
    await this.#looking;
    clearTimeout(this.#checkTimer);
    const listener = this.#listener;
    this.#listener = undefined;
    if (!listener) return;
    const closed = new Promise((resolve) => listener.close(resolve));
    if (this.#isThere()) rmSync(this.#path, { force: true });
    await closed;
  }

  /**
   * The socket is born in a folder closed to others, and put in its place once it is open just as far as asked.
   * @throws Error `EEXIST` when there is a file in its place: rename(2) would take that of another process away.
   */
  async #listen(mode: number, group: number | undefined): Promise<void> {
    const listener = createServer(this.#accept);
    const nursery = mkdtempSync(join(dirname(this.#path), '.nsm-'));
    const born = join(nursery, 's');
    try {
      await once(listener.listen(born), 'listening');
      this.#options.prepare?.(descriptorOf(listener));
      if (group !== undefined) chownSync(born, process.getuid?.() ?? 0, group);
      chmodSync(born, mode);
      this.#file = lstatSync(born);
      linkSync(born, this.#path);
      this.#listener = listener;
    } catch (error) {
      listener.close();
      throw error;
    } finally {
      rmSync(nursery, { recursive: true });
    }
  }

  /** Remembers the socket file's owner and mode, which an operator may have changed. */
  #isThere(): boolean {
    const now = lstatSync(this.#path, { throwIfNoEntry: false });
    if (now === undefined || now.ino !== this.#file?.ino) return false;
    this.#file = now;
    this.#folder = statSync(dirname(this.#path));
    return true;
  }

  #look(): void {
    this.#checkTimer = setTimeout(() => {
      this.#looking = this.#restore().finally(() => this.#look());
    }, checkEveryMs).unref();
  }

  async #restore(): Promise<void> {
    if (this.#isThere() || existsSync(this.#path)) return;
    const former = this.#listener;
    try {
      this.#restoreFolder();
      const { mode, gid } = this.#file ?? { mode: 0o600 };
      await this.#listen(mode & 0o777, gid);
      // Connections that were accepted go on.
      former?.close();
      this.#failed = false;
      this.#options.onRemoved?.(this.#path);
    } catch (thrown) {
      if (!this.#failed) this.#options.onRemoved?.(this.#path, cannotRestore(this.#path, thrown));
      this.#failed = true;
    }
  }

  /** As it was, and only the last of its path: who comes to share it knows what the ones above are to be. */
  #restoreFolder(): void {
    const folder = dirname(this.#path);
    if (!this.#folder || existsSync(folder)) return;
    const { mode, uid, gid } = this.#folder;
    mkdirSync(folder);
    if (process.getuid?.() === 0) chownSync(folder, uid, gid);
    chmodSync(folder, mode & 0o7777);
  }
}

function cannotMake(path: string, thrown: unknown): NsmError {
  const code = systemCodeOf(thrown);
  const folder = dirname(path);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new NsmError(
      'invalid',
      `cannot make ${path}: there is no folder ${folder}; make it first`,
      thrown,
    );
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new NsmError('privilege', `cannot make ${path}: this user may not write to ${folder}`, thrown);
  return NsmError.from(thrown);
}

function cannotRestore(path: string, thrown: unknown): NsmError {
  const { message } = NsmError.from(thrown);
  const folder = dirname(path);
  return new NsmError(
    'privilege',
    `cannot make ${path} again: ${message}; make ${folder} and let this user write to it`,
    thrown,
  );
}

/** Answers to connect(2), unix(7): of a server whose queue is full, and of one of another type. */
const served = ['EAGAIN', 'EPROTOTYPE'];
/** A server that has ended; a link to one, or to itself. */
const stale = ['ECONNREFUSED', 'ENOENT', 'ELOOP'];

async function removeStaleSocket(path: string): Promise<void> {
  const asked = fileAt(path);
  if (asked === undefined) return;
  const refusal = await new Promise<Error | undefined>((resolve) => {
    const probe = netConnect(path, () => {
      probe.destroy();
      resolve(undefined);
    });
    probe.once('error', resolve);
  });
  const code = systemCodeOf(refusal);
  if (refusal === undefined || served.includes(code))
    throw new NsmError(
      'conflict',
      `${path} is served by a running process; stop it first, or choose another --run-dir`,
    );
  if (!stale.includes(code)) throw cannotMake(path, refusal);
  if (fileAt(path) === asked) unlinkSync(path);
}

/** Tells a file from every other that was or will be in its place: a file that is made may get the inode number of one that was removed. */
function fileAt(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.ctimeNs}`;
}
