// Folders that pods own are removed here, beside everything else: whatever a pod has put there, or puts there yet, no path is followed
// twice, nobody waits, and nothing outside of the folder is touched.
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
} from 'node:fs';
import { open, opendir, rename, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCodeOf } from '@nsm/api';

/** Files that are removed of one folder before it is the next folder's turn. */
const atOnce = 1000;
/** Turns of one folder. A pod that fills it faster than that keeps it, closed to the pod, until the next start. */
const maxTurns = 1000;

const asFolder = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Errors of opening a file, and a symbolic link, as a folder. */
const noFolder: ReadonlySet<string | undefined> = new Set(['ENOTDIR', 'ELOOP']);

export class RemovedFolders {
  /** Belongs to this process's user alone, on the same file system. */
  readonly #place: string;
  /** Names of folders in the place, and how many turns each has had. */
  readonly #waiting = new Map<string, number>();
  #working: Promise<void> | undefined;
  #stopped = false;
  /** At what an earlier process left. */
  #hasLooked = false;

  /** @param place a folder that may not exist yet. What an earlier process left in it is removed at the first `take`. */
  constructor(place: string) {
    this.#place = place;
  }

  /**
   * Takes a folder away from its path at once; what is in it goes by and by. Harmless when there is none.
   * @param path whose parent folder no pod may write to.
   * @param inner folders in it that pods own: from now on closed to them.
   */
  take(path: string, inner: readonly string[]): void {
    if (!existsSync(path)) return;
    mkdirSync(this.#place, { recursive: true, mode: 0o700 });
    const name = randomUUID();
    renameSync(path, join(this.#place, name));
    for (const folder of inner) shut(join(this.#place, name, folder));
    // Once: a pod may have made hundreds of thousands of folders, which are all there while they wait.
    for (const left of this.#hasLooked ? [name] : readdirSync(this.#place)) this.#waiting.set(left, 0);
    this.#hasLooked = true;
    this.#working ??= this.#work()
      .catch(() => undefined)
      .finally(() => {
        this.#working = undefined;
      });
  }

  /** What is not removed yet stays until the next start. Resolves when nothing is being removed any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    for (let next = first(this.#waiting); next && !this.#stopped; next = first(this.#waiting)) {
      const [name, turns] = next;
      this.#waiting.delete(name);
      const isGone = await this.#empty(name).catch(() => false);
      if (!isGone && turns < maxTurns) this.#waiting.set(name, turns + 1);
    }
    // Not in the middle of a take.
    if (readdirSync(this.#place).length === 0) rmdirSync(this.#place);
  }

  /** Removes files of a folder, and moves its folders beside it: however deep they are, none is walked into. @returns whether it is gone. */
  async #empty(name: string): Promise<boolean> {
    const path = join(this.#place, name);
    const folder = await open(path, asFolder).catch((thrown: unknown) => {
      if (!noFolder.has(systemCodeOf(thrown))) throw thrown;
    });
    // Its pod was quicker, and had put something else in the place of the folder that was moved.
    if (!folder) {
      await unlink(path);
      return true;
    }
    try {
      // Processes of the pod may be in it.
      await folder.chown(process.getuid?.() ?? 0, process.getgid?.() ?? 0);
      await folder.chmod(0o700);
      const opened = `/proc/self/fd/${folder.fd}`;
      let left = atOnce;
      // Names are whatever bytes the pod chose.
      for await (const entry of await opendir(opened, { encoding: 'buffer' as BufferEncoding })) {
        if (left-- <= 0 || this.#stopped) return false;
        const file = Buffer.concat([Buffer.from(`${opened}/`), entry.name as unknown as Buffer]);
        if (!entry.isDirectory()) await unlink(file).catch(() => undefined);
        else {
          const beside = randomUUID();
          await rename(file, join(this.#place, beside));
          this.#waiting.set(beside, 0);
        }
      }
    } finally {
      await folder.close();
    }
    await rmdir(path);
    return true;
  }
}

/** Its owner, who may have it open, makes nothing in it any more. */
function shut(folder: string): void {
  try {
    const fd = openSync(folder, asFolder);
    try {
      fchownSync(fd, process.getuid?.() ?? 0, process.getgid?.() ?? 0);
      fchmodSync(fd, 0o700);
    } finally {
      closeSync(fd);
    }
  } catch {
    // That side had none.
  }
}

function first<K, V>(map: ReadonlyMap<K, V>): [K, V] | undefined {
  for (const entry of map) return entry;
  return undefined;
}
