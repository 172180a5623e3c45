// What completion scripts call for names that only the manager knows; not for people.
import { Argument, Command } from 'commander';
import { runDirFlag } from '../../flags/common-flags.js';
import { type NameKind, nameKinds } from './name-kinds.js';

export function namesCommand(): Command {
  return new Command('__names')
    .description('print names for completion')
    .addArgument(new Argument('<kind>').choices(nameKinds))
    .addOption(runDirFlag())
    .action(async (kind: NameKind, flags: { readonly runDir: string }) => {
      const { printNames } = await import('./names-handler.js');
      await printNames(kind, flags.runDir);
    });
}
