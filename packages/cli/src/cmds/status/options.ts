// nsm status: the mesh at one glance, as the manager of this node sees it.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag, parseDuration } from '../../flags/flags.js';
import type { StatusFlags } from './flags.js';

export function statusCommand(): Command {
  return new Command('status')
    .summary('show at one glance whether all is well')
    .description(
      'Shows the mesh as the manager of this node sees it, and what is wrong, the worst first, with what to do about it.\n' +
        'Exit status 0 when nothing is broken (warnings are no failure), 1 when something is, 3 when no manager answers;\n' +
        'with --wait also 4, when something is still broken or under way in the end.',
    )
    .addOption(
      flag('--wait <duration>', 'wait this long until nothing is broken or under way', {
        parse: parseDuration,
      }),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm status', 'the state of the mesh, and what to do first'],
        ['nsm status --wait 60s', 'in scripts: until all is well'],
      ),
    )
    .action(async (flags: StatusFlags) => {
      const { runStatus } = await import('./handler.js');
      await runStatus(flags);
    });
}
