// Where a copy of the registry's folder may be while its disk takes nothing: below /tmp, and not left there.
import { randomUUID } from 'node:crypto';
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderLock } from '@nsm/durable';

const prefix = 'nsm-registry-stand-in-';

/** A path at which nothing is yet; what is made there goes with it. */
export class StandIn implements Disposable {
  readonly path: string = join(tmpdir(), `${prefix}${randomUUID()}`);

  /** Removes what registries left that were killed. */
  constructor() {
    for (const name of readdirSync(tmpdir())) if (name.startsWith(prefix)) sweep(join(tmpdir(), name));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Leaves files that are another program's, or in use. */
function sweep(path: string): void {
  try {
    const stat = lstatSync(path);
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) return;
    using _lock = FolderLock.take(path, 'nobody');
    rmSync(path, { recursive: true });
  } catch {
    // The next start tries again.
  }
}
