// Whether the disk of a folder takes what is written to it: told when that changes.
import type { RegistryLogger } from './registry.js';

const refusals: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** True of the error of a disk that is full, read-only, or of which the quota is used up. */
export function isDiskRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && refusals.has(error.code);
}

export class DiskState {
  readonly #folder: string;
  readonly #logger: Pick<RegistryLogger, 'info' | 'error'> | undefined;
  #refuses = false;

  constructor(folder: string, logger?: Pick<RegistryLogger, 'info' | 'error'>) {
    this.#folder = folder;
    this.#logger = logger;
  }

  refused(error: unknown): void {
    if (this.#refuses) return;
    this.#refuses = true;
    this.#logger?.error(
      { folder: this.#folder, err: error },
      'the disk does not take what is to be written: free space on the disk of --state-dir (df, df -i)',
    );
  }

  took(): void {
    if (!this.#refuses) return;
    this.#refuses = false;
    this.#logger?.info({ folder: this.#folder }, 'the disk takes again what is written');
  }
}
