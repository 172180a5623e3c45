// Whether a disk takes what is written to a file: told when that changes.
import type { StateLogger } from './state-logger.js';

const refusals: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** True of the error of a disk that is full, read-only, or of which the quota is used up. */
export function isDiskRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && refusals.has(error.code);
}

export class DiskState {
  readonly #path: string;
  readonly #logger: StateLogger | undefined;
  #refuses = false;

  constructor(path: string, logger: StateLogger | undefined) {
    this.#path = path;
    this.#logger = logger;
  }

  refused(error: Error): void {
    if (this.#refuses) return;
    this.#refuses = true;
    this.#logger?.error(
      { path: this.#path, err: error },
      'the disk does not take what is to be written: free space on the disk of --state-dir (df, df -i)',
    );
  }

  took(): void {
    if (!this.#refuses) return;
    this.#refuses = false;
    this.#logger?.info({ path: this.#path }, 'the disk takes again what is written');
  }
}
