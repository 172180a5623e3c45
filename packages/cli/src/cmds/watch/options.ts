// nsm watch: every change of every connection, as it happens.
import { Argument, Command } from 'commander';
import { jsonFlag, runDirFlag } from '../../common-flags.js';
import type { WatchFlags } from './flags.js';

export function watchCommand(): Command {
  return new Command('watch')
    .summary('show changes as they happen')
    .description('Shows the connections of this node, then every change, one line each, until Ctrl-C.')
    .addArgument(new Argument('[what]', 'what to watch').choices(['connections']).default('connections'))
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .action(async (_what: string, flags: WatchFlags) => {
      const { runWatch } = await import('./handler.js');
      await runWatch(flags);
    });
}
