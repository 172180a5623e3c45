// The folder of durable state, also while its disk takes nothing: then a copy stands in for it, until a start finds it writable.
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NsmError } from '@nsm/api';
import { isDiskRefusal } from './disk-state.js';
import { FolderLock, lockName } from './folder-lock.js';
import { prepareFolder } from './prepare-folder.js';
import type { StateLogger } from './state-logger.js';

/** A file that is written to find out whether the disk takes it, and as many bytes as no file system keeps beside its name. */
const trialName = '.trial';
const trialBytes = Buffer.alloc(4096);

export interface StateFolderOptions {
  /** Where a copy may be; the folder above it must exist. */
  readonly standIn: string;
  /** How others are told of this process, such as `manager node-a`. */
  readonly holder: string;
  readonly logger: StateLogger;
}

/** A state folder that this process has, and nobody else. What is locked is locked before it is looked at. */
export class StateFolder implements Disposable {
  /** The folder to use: as it was named, or what stands in for it. */
  readonly path: string;
  readonly #locks: readonly FolderLock[];
  #trial: Promise<string> | undefined;

  private constructor(path: string, locks: readonly FolderLock[]) {
    this.path = path;
    this.#locks = locks;
  }

  /**
   * Makes the folder that `--state-dir` names. Where its disk is full or read-only, what can be read of it is copied; when the disk
   * can be written again, the copy is brought back.
   * @throws NsmError `conflict` while another process has the folder or what stands in for it; what `prepareFolder` throws for any
   * other reason than the disk.
   */
  static take(stateDir: string, options: StateFolderOptions): StateFolder {
    const { standIn, holder, logger } = options;
    const refusal = refusalOf(stateDir);
    const locks: FolderLock[] = [];
    try {
      if (existsSync(stateDir)) locks.push(FolderLock.take(stateDir, holder, logger));
      const stands = existsSync(standIn);
      if (stands) locks.push(FolderLock.take(standIn, holder, logger));
      if (!refusal) {
        if (stands) bringBack(standIn, stateDir, logger);
        return new StateFolder(stateDir, locks);
      }
      if (!stands) locks.push(copy(stateDir, options));
    } catch (error) {
      for (const lock of locks) lock[Symbol.dispose]();
      throw error;
    }
    logger.error(
      { stateDir, standIn, err: refusal },
      'the state folder cannot be written: a copy stands in for it until a start finds it writable',
    );
    return new StateFolder(standIn, locks);
  }

  /** Why nothing can be written to it now, for people; '' when it can. Found by writing: no other way knows of quotas. */
  refusal(): Promise<string> {
    this.#trial ??= this.#write().finally(() => {
      this.#trial = undefined;
    });
    return this.#trial;
  }

  async #write(): Promise<string> {
    const file = join(this.path, trialName);
    try {
      await writeFile(file, trialBytes);
      await rm(file);
      return '';
    } catch (thrown) {
      await rm(file, { force: true }).catch(() => undefined);
      return `nothing can be written to ${this.path}: ${NsmError.from(thrown).message}`;
    }
  }

  /** Lets go of it. Harmless when repeated. */
  [Symbol.dispose](): void {
    for (const lock of this.#locks) lock[Symbol.dispose]();
  }
}

/** Why the disk takes nothing, if it does not; every other failure is for whoever chose the folder to mend. */
function refusalOf(stateDir: string): NsmError | undefined {
  try {
    prepareFolder('--state-dir', stateDir, 0o700);
    return undefined;
  } catch (thrown) {
    const error = NsmError.from(thrown);
    if (isDiskRefusal(error.cause)) return error;
    throw error;
  }
}

/** There is a copy when it is complete. Returns its lock. */
function copy(stateDir: string, { standIn, holder, logger }: StateFolderOptions): FolderLock {
  const part = `${standIn}.part`;
  mkdirSync(part, { recursive: true, mode: 0o700 });
  const lock = FolderLock.take(part, holder, logger);
  try {
    empty(part);
    if (existsSync(stateDir)) copyEntries(stateDir, part);
    renameSync(part, standIn);
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** What is cut short is begun again at the next start. */
function bringBack(standIn: string, stateDir: string, logger: StateLogger): void {
  empty(stateDir);
  copyEntries(standIn, stateDir);
  rmSync(standIn, { recursive: true });
  logger.info({ stateDir, standIn }, 'the state folder can be written again: what stood in for it is in it');
}

function empty(folder: string): void {
  for (const name of entriesOf(folder)) rmSync(join(folder, name), { recursive: true });
}

function copyEntries(from: string, to: string): void {
  for (const name of entriesOf(from))
    cpSync(join(from, name), join(to, name), { recursive: true, filter: isCopied });
}

/** Without its lock, which belongs to the process that has it, and without the mesh's authority, which lives beside the state by default. */
function entriesOf(folder: string): string[] {
  return readdirSync(folder).filter((name) => name !== lockName && name !== 'pki');
}

/** Pipes, sockets and devices cannot be copied, and are nothing that was stored. */
function isCopied(path: string): boolean {
  const stat = lstatSync(path);
  return stat.isFile() || stat.isDirectory();
}
