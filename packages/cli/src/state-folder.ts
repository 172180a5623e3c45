// The folder of durable state, also while its disk takes nothing: then a copy stands in for it, until a start finds it writable.
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NsmError } from '@nsm/api';
import { isDiskRefusal } from '@nsm/registry';
import { prepareFolder } from './prepare-folder.js';

/** Belong to the processes that have the folder. */
const locks: ReadonlySet<string> = new Set(['lock', 'registry.mdb-lock']);

/**
 * Makes the folder that `--state-dir` names. Where its disk is full or read-only, what can be read of it is copied to `standIn`;
 * when the disk can be written again, that is brought back.
 * @returns the folder to use. @throws NsmError what prepareFolder throws for any other reason.
 */
export function prepareStateFolder(
  stateDir: string,
  standIn: string,
  logger: { error(fields: object, message: string): void; info(fields: object, message: string): void },
): string {
  try {
    prepareFolder('--state-dir', stateDir, 0o700);
    if (existsSync(standIn)) {
      bringBack(standIn, stateDir);
      logger.info(
        { stateDir, standIn },
        'the state folder can be written again: what stood in for it is in it',
      );
    }
    return stateDir;
  } catch (thrown) {
    const error = NsmError.from(thrown);
    // Every other failure is for whoever chose the folder to mend.
    if (!isDiskRefusal(error.cause)) throw error;
    if (!existsSync(standIn)) copy(stateDir, standIn);
    logger.error(
      { stateDir, standIn, err: error },
      'the state folder cannot be written: a copy stands in for it until a start finds it writable',
    );
    return standIn;
  }
}

/** There is a copy when it is complete. */
function copy(stateDir: string, standIn: string): void {
  const part = `${standIn}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { mode: 0o700 });
  if (existsSync(stateDir)) copyEntries(stateDir, part);
  renameSync(part, standIn);
}

/** What is cut short is begun again at the next start. */
function bringBack(standIn: string, stateDir: string): void {
  for (const name of readdirSync(stateDir))
    if (!locks.has(name)) rmSync(join(stateDir, name), { recursive: true });
  copyEntries(standIn, stateDir);
  rmSync(standIn, { recursive: true });
}

function copyEntries(from: string, to: string): void {
  for (const name of readdirSync(from))
    if (!locks.has(name)) cpSync(join(from, name), join(to, name), { recursive: true, filter: isCopied });
}

/** Pipes, sockets and devices cannot be copied, and are nothing that was stored. */
function isCopied(path: string): boolean {
  const stat = lstatSync(path);
  return stat.isFile() || stat.isDirectory();
}
