import { Command } from 'commander';
import { logLevelFlag, runDirFlag, stateDirFlag, vxlanEngineFlag } from '../../common-flags.js';
import { flag, parseInteger } from '../../flags.js';
import { lendingFlags } from '../../lending-flags.js';
import type { ForwarderFlags } from './flags.js';

export function forwarderCommand(): Command {
  const command = new Command('forwarder')
    .summary('run the dataplane of this node in a process of its own')
    .description(
      'Programs Linux for a manager that is started with --forwarder external and the same --run-dir, until SIGTERM. ' +
        'Without it the manager does so itself.',
    )
    .addOption(runDirFlag())
    .addOption(stateDirFlag())
    .addOption(
      flag('--group <gid>', 'group that may connect too: that of a manager that is another user', {
        parse: parseInteger(0, 0xffff_fffe),
      }),
    )
    .addOption(vxlanEngineFlag())
    .addOption(logLevelFlag())
    .action(async (flags: ForwarderFlags) => {
      const { runForwarder } = await import('./handler.js');
      await runForwarder(flags);
    });
  for (const option of lendingFlags()) command.addOption(option);
  return command;
}
