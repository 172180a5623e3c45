// nsm trace: how a connection came to be, and what becomes of a packet in it.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { connectionArgument } from '../../flags/connection-argument.js';
import type { TraceFlags } from './flags.js';

export function traceCommand(): Command {
  return new Command('trace')
    .summary('follow a connection: its last request step by step, and a packet device by device')
    .description(
      'Shows the steps of the last request for a connection of this node with their times, then sends a small packet and one of the\n' +
        'largest size and shows each device that they pass, on both nodes, where they got lost, and why as far as it can be told.\n' +
        'Ends with status 1 when one got lost.',
    )
    .argument(...connectionArgument)
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm trace pod-1', 'by request id'],
        ['nsm trace node-a:8d1f069235bf', 'or by the id of nsm get connections'],
      ),
    )
    .action(async (connection: string, flags: TraceFlags) => {
      const { runTrace } = await import('./handler.js');
      await runTrace(connection, flags);
    });
}
