// nsm top: which connections carry how much, now.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag, parseDurationFrom, parseInteger } from '../../flags/flags.js';
import { orders, type TopFlags } from './flags.js';

export function topCommand(): Command {
  return new Command('top')
    .summary('show what connections carry per second')
    .description(
      'Shows what each connection of this node carries per second, as its client receives and sends it: anew on a terminal, else a\n' +
        'table after each interval, until q or Ctrl-C. With --json one line for each interval.',
    )
    .addOption(
      flag('--interval <duration>', 'time between two looks', {
        default: 1000,
        defaultText: '1s',
        parse: parseDurationFrom('10ms', '60m'),
      }),
    )
    .addOption(flag('-c, --count <number>', 'end after so many looks', { parse: parseInteger(1, 1_000_000) }))
    .addOption(
      flag('--sort <order>', 'the first are those with the most of it', { default: 'rx', choices: orders }),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm top', 'the busiest connections, again and again'],
        ['nsm top --count 1 --json', 'one look, for programs'],
      ),
    )
    .action(async (flags: TopFlags) => {
      const { runTop } = await import('./handler.js');
      await runTop(flags);
    });
}
