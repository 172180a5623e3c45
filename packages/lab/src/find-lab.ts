// The lab that a command line names: one that is up on this machine, root's or the user's own.
import { abbreviatedList, isName, NsmError } from '@nsm/api';
import { closestName } from '@nsm/yaml-file/closest-name';
import type { LabConfig } from './config.js';
import { readLabFile } from './file/lab-file.js';
import { labNames } from './list.js';
import { LabFolder, type LabRecord } from './state/lab-folder.js';
import { findUserLab } from './user-namespace.js';

export type FoundLab =
  | { readonly where: 'here'; readonly folder: LabFolder; readonly record: LabRecord }
  | { readonly where: 'user namespace'; readonly lab: NonNullable<ReturnType<typeof findUserLab>> };

/** A name, or the path of a lab file. @throws NsmError `not-found` or `invalid` for what is neither. */
export function labNameOf(nameOrFile: string): string {
  if (/[/.]/.test(nameOrFile)) return readLabFile(nameOrFile).name;
  if (isName(nameOrFile)) return nameOrFile;
  throw new NsmError('invalid', `${JSON.stringify(nameOrFile)} is no name of a lab`);
}

export function findLab(name: string, config: LabConfig): FoundLab | undefined {
  const folder = new LabFolder(name);
  const record = folder.read();
  if (record) return { where: 'here', folder, record };
  const lab = config.insideUserNamespace ? undefined : findUserLab(name, config);
  return lab && { where: 'user namespace', lab };
}

/** @throws NsmError `not-found` */
export function needLab(name: string, config: LabConfig): FoundLab {
  const found = findLab(name, config);
  if (found) return found;
  const names = labNames(config);
  const closest = closestName(name, names);
  throw new NsmError(
    'not-found',
    `no lab ${JSON.stringify(name)} is up${closest ? ` (did you mean ${closest}?)` : ''}; up: ${abbreviatedList(names) || 'none'}`,
  );
}
