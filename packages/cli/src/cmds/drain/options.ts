// nsm drain: takes the endpoints of this node out of service.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import type { DrainFlags } from './flags.js';

export function drainCommand(): Command {
  return new Command('drain')
    .summary('take the endpoints of this node out of service')
    .description(
      'Has new connections go to endpoints of other nodes, and moves there those that are: what to do before a node is\n' +
        'stopped. Ends with --undo, or when the manager restarts. Clients of this node stay.\n' +
        'Exit status 1 when no other endpoint can take some of the connections; they stay as they are.',
    )
    .addOption(flag('--undo', 'put them back into service'))
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(['nsm drain', 'before a node is stopped'], ['nsm drain --undo', 'when it serves again']),
    )
    .action(async (flags: DrainFlags) => {
      const { runDrain } = await import('./handler.js');
      await runDrain(flags);
    });
}
