// What completion scripts call for names that only the manager knows; not for people.
import { Argument, Command } from 'commander';
import { runDirFlag } from '../../common-flags.js';

export const nameKinds = ['services', 'endpoints', 'connections', 'labs'] as const;
export type NameKind = (typeof nameKinds)[number];

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
