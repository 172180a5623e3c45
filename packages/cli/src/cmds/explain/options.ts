import { Command } from 'commander';
import { interfaceFlag, jsonFlag, labelFlag, runDirFlag } from '../../common-flags.js';
import { flag } from '../../flags.js';
import type { ExplainFlags } from './flags.js';

export function explainCommand(): Command {
  return new Command('explain')
    .summary('tell which endpoint a request would get, and why')
    .description(
      'Tells for each endpoint of a network service its rank for such a request, or why it is out.\n' +
        'Exit status 1 when none would be chosen.',
    )
    .argument('<service>', 'name of the network service')
    .addOption(labelFlag())
    .addOption(interfaceFlag())
    .addOption(
      flag('--as <subject>', 'for whom, as nsm policy test takes it (default: whoever the policy lets ask)'),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .action(async (service: string, flags: ExplainFlags) => {
      const { runExplain } = await import('./handler.js');
      await runExplain(service, flags);
    });
}
