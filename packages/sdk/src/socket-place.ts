// Where an endpoint's socket is: in the run directory, where the manager sees it too, or in a folder below /tmp that goes with it.
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** sun_path of unix(7) less its final zero byte. */
export const maxSocketPath = 107;

const prefix = 'nsm-endpoint-';
const file = 'endpoint.sock';

export class SocketPlace implements Disposable {
  readonly path: string;
  /** Made for this socket alone. */
  readonly #folder: string | undefined;

  private constructor(path: string, folder?: string) {
    this.path = path;
    this.#folder = folder;
  }

  /** The place of a path that was given by the application, which takes care of it. */
  static at(path: string): SocketPlace {
    return new SocketPlace(path);
  }

  /** For an endpoint of the manager with this run directory. What endpoints left that were killed is removed. */
  static async choose(runDir: string, name: string, namespace: string): Promise<SocketPlace> {
    const named = `${namespace === 'default' ? '' : `${namespace}.`}${name}.sock`.replaceAll('/', '_');
    const folder = join(runDir, 'endpoints');
    const path = join(folder, named);
    if (Buffer.byteLength(path) <= maxSocketPath && canMakeIn(folder)) {
      await removeStale(folder);
      return new SocketPlace(path);
    }
    await removeLeft();
    const own = mkdtempSync(join(tmpdir(), prefix));
    return new SocketPlace(join(own, file), own);
  }

  [Symbol.dispose](): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Read-only or not ours: the manager is told another path. */
function canMakeIn(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Removes sockets of this user without a server: their processes have ended. */
async function removeStale(folder: string): Promise<void> {
  const user = process.geteuid?.();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    try {
      const found = lstatSync(path, { bigint: true });
      if (!found.isSocket() || Number(found.uid) !== user || !(await isLeft(path))) continue;
      // Another endpoint may have put its socket there meanwhile, which may have got the same inode number.
      const now = lstatSync(path, { bigint: true });
      if (now.ino === found.ino && now.ctimeNs === found.ctimeNs) rmSync(path);
    } catch {
      // The socket goes by itself.
    }
  }
}

/** Removes only folders of this user that hold a socket without a server and nothing else: their process has ended. */
async function removeLeft(): Promise<void> {
  const user = process.getuid?.();
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix)) continue;
    const folder = join(tmpdir(), name);
    try {
      const { uid } = lstatSync(folder);
      if (uid === user && `${readdirSync(folder)}` === file && (await isLeft(join(folder, file))))
        rmSync(folder, { recursive: true });
    } catch {
      // The folder goes by itself, or is another user's.
    }
  }
}

async function isLeft(socket: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = connect(socket, () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}
