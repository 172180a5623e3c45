// nsm get: lists of what the manager knows.
import { Argument, Command } from 'commander';
import { jsonFlag, runDirFlag } from '../../common-flags.js';
import { type GetFlags, type GetKind, getKinds } from './flags.js';

export function getCommand(): Command {
  return new Command('get')
    .summary('list what the manager of this node knows')
    .description('Lists what the manager of this node knows.')
    .addArgument(new Argument('<what>', 'what to list').choices(getKinds))
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .action(async (what: GetKind, flags: GetFlags) => {
      const { runGet } = await import('./handler.js');
      await runGet(what, flags);
    });
}
