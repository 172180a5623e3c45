// The sockets that pods may call, and no others, in folders that are given to containers as they are: they never see admin.sock, and where
// a manager is restarted, each folder has the new sockets.
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** More folders than a node runs containers. All are there from the start: after a reboot kubelet gives a folder again without asking. */
const folders = 512;
const mode = 0o755;
/** Mount point of RUN/shared in containers that share memory: they have the folder read-only, so it cannot be made later. */
const mountPoint = 'shared';

/** Below --run-dir, one for each container that may have the sockets at the same time. */
export function foldersForPods(runDir: string): readonly string[] {
  return Array.from({ length: folders }, (_, number) => join(runDir, 'pods', String(number)));
}

/** Shows a socket of --run-dir in the folders for pods, in place of the one that was there. */
export function showToPods(runDir: string, socket: string): void {
  const name = basename(socket);
  const all = foldersForPods(runDir);
  // The last is made last.
  const last = statSync(join(all.at(-1) ?? '', mountPoint), { throwIfNoEntry: false });
  if (!last || (last.mode & 0o777) !== mode) for (const folder of all) makeFolder(folder);
  const fresh = join(runDir, `.${name}.for-pods`);
  // The link that a manager left which died before the rename.
  rmSync(fresh, { force: true });
  const { ino } = statSync(socket);
  for (const folder of all) {
    const shown = join(folder, name);
    // Of two links to the same file rename(2) removes none.
    if (statSync(shown, { throwIfNoEntry: false })?.ino === ino) continue;
    linkSync(socket, fresh);
    renameSync(fresh, shown);
  }
}

/** For every user, whatever the umask of this process. */
function makeFolder(folder: string): void {
  for (const made of [folder, join(folder, mountPoint)]) {
    mkdirSync(made, { recursive: true });
    chmodSync(made, mode);
  }
}
