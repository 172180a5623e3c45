import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { examples } from '../../examples.js';
import {
  logFormatFlag,
  logLevelFlag,
  metricsListenFlag,
  runDirFlag,
  stateDirFlag,
  vxlanEngineFlag,
} from '../../flags/common-flags.js';
import { flag, parseInteger } from '../../flags/flags.js';
import { lendingFlags } from '../../flags/lending-flags.js';
import { limitFlag } from '../../flags/limit-flag.js';
import type { ForwarderFlags } from './flags.js';

/** Its number. */
function parseGroup(text: string): number {
  // group(5)
  const named = readFileSync('/etc/group', 'utf8').match(/^[^:\n]+:[^:\n]*:\d+/gm) ?? [];
  const [, , number = text] = named.map((line) => line.split(':')).find(([name]) => name === text) ?? [];
  return parseInteger(0, 0xffff_fffe)(number);
}

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
      flag(
        '--group <group>',
        'group that may connect too, by name or number: that of a manager that is another user',
        {
          parse: parseGroup,
        },
      ),
    )
    .addOption(limitFlag(['sharedMemoryMib', 'userFactor']))
    .addOption(vxlanEngineFlag())
    .addOption(metricsListenFlag())
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText('after', examples(['nsm forwarder', 'beside nsm manager --forwarder external']))
    .action(async (flags: ForwarderFlags) => {
      const { runForwarder } = await import('./handler.js');
      await runForwarder(flags);
    });
  for (const option of lendingFlags()) command.addOption(option);
  return command;
}
