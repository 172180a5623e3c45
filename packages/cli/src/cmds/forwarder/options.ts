// nsm forwarder: the dataplane in a process of its own.
import type { VxlanEngine } from '@nsm/forwarder';
import { Command } from 'commander';
import { logLevelFlag, runDirFlag, vxlanEngineFlag } from '../../common-flags.js';
import { flag, parseInteger } from '../../flags.js';

export interface ForwarderFlags {
  readonly runDir: string;
  readonly vxlanEngine: VxlanEngine;
  readonly logLevel: string;
  readonly group?: number;
}

export function forwarderCommand(): Command {
  return new Command('forwarder')
    .summary('run the dataplane of this node in a process of its own')
    .description(
      'Programs Linux for a manager that is started with --forwarder external and the same --run-dir, until SIGTERM. ' +
        'Without it the manager does so itself.',
    )
    .addOption(runDirFlag())
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
}
