// Everything the benchmark makes outside of its memory, undone in reverse: at the end, on failure, and on Ctrl-C.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deleteNamespace, listNamespaces } from '@nsm/netlink';

/** What the names of all namespaces of all benchmarks begin with; the process id follows. */
const prefix = 'nsmb-';
/** What the names of this one's namespaces begin with. */
export const namePrefix: string = `${prefix}${process.pid}-`;

/** What the path of this one's temporary folder begins with. */
export const folderPrefix: string = join(tmpdir(), `${prefix}${process.pid}-`);

export class Cleanup {
  readonly #undos = new Set<() => void>();

  constructor() {
    for (const [signal, number] of [
      ['SIGINT', 2],
      ['SIGTERM', 15],
      ['SIGHUP', 1],
    ] as const)
      process.once(signal, () => {
        this.run();
        process.exit(128 + number);
      });
    process.once('exit', () => this.run());
  }

  /**
   * @param undo synchronous, since it may run while the process exits.
   * @returns what undoes it now, and only now.
   */
  add(undo: () => unknown): () => void {
    const once = (): void => {
      if (this.#undos.delete(once)) undo();
    };
    this.#undos.add(once);
    return once;
  }

  /** Idempotent; a failed undo does not keep the others from running. */
  run(): void {
    for (const undo of [...this.#undos].reverse()) {
      try {
        undo();
      } catch (error) {
        process.stderr.write(`bench: not cleaned up: ${error instanceof Error ? error.message : error}\n`);
      }
    }
  }
}

/** Removes the namespaces and folders of benchmarks that were killed before they could. */
export function removeRemains(): void {
  for (const { names } of listNamespaces()) {
    for (const name of names) {
      if (isOrphan(name)) deleteNamespace(name);
    }
  }
  for (const name of readdirSync(tmpdir()).filter(isOrphan))
    rmSync(join(tmpdir(), name), { recursive: true });
}

function isOrphan(name: string): boolean {
  const owner = new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1];
  return owner !== undefined && !isAlive(owner);
}

/** A zombie has no command line. */
function isAlive(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}
