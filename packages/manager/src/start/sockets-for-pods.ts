// The sockets that pods may call, and no others, in a folder that can be given to pods as it is: they never see admin.sock, and where a
// manager is restarted, the folder has the new sockets.
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Below --run-dir. One folder for all pods: a caller is known by its network namespace, whichever way it came to the socket. */
export function folderForPods(runDir: string): string {
  return join(runDir, 'pods');
}

/** Shows a socket of --run-dir in the folder for pods, in place of the one that was there. */
export function showToPods(runDir: string, socket: string): void {
  const folder = folderForPods(runDir);
  const name = basename(socket);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  const fresh = join(folder, `.${name}.${process.pid}`);
  // The link that a manager left which died before the rename.
  rmSync(fresh, { force: true });
  linkSync(socket, fresh);
  renameSync(fresh, join(folder, name));
  // Of two links to the same file rename(2) removes none.
  rmSync(fresh, { force: true });
}
