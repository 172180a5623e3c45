// Whether a program is installed.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Looks also in the folders that an ordinary user's PATH leaves out. */
export function findCommand(name: string, path: string): string | undefined {
  return [...path.split(':'), '/usr/sbin', '/sbin'].map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
