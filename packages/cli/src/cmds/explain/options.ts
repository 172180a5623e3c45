import { Command } from 'commander';
import { examples } from '../../examples.js';
import { fromFlag, interfaceFlag, jsonFlag, labelFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { parseName } from '../../flags/names.js';
import type { ExplainFlags } from './flags.js';

export function explainCommand(): Command {
  return new Command('explain')
    .summary('tell which endpoint a request would get, and why')
    .description(
      'Tells of each endpoint of a network service all that it is looked at for, its rank for such a request or why it is out, ' +
        'and what else would go wrong. Nothing is touched. Without --label and --interface, and where the last request of the pod was ' +
        'refused, that request is explained.\nExit status 1 when the request would be refused.',
    )
    .argument(
      '[service]',
      'name of the network service; without one, --from tells of all that the pod has and was refused',
      parseName,
    )
    .addOption(fromFlag())
    .addOption(labelFlag())
    .addOption(interfaceFlag())
    .addOption(
      flag(
        '--as <subject>',
        'facts of who asks, as nsm policy test takes them (default: user of the pod, root in another network namespace, or whoever the policy lets ask)',
      ),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm explain --from red', 'why red is not connected'],
        ['nsm explain vpn --from red', 'what would come of it if red asked for vpn'],
        ['nsm explain vpn --from shop/cart-7d9f', 'the same of a pod of this node'],
        ['nsm explain vpn --from red --label tier=gold', 'and asked for a label'],
      ),
    )
    .action(async (service: string | undefined, flags: ExplainFlags, command: Command) => {
      const { from, label, interface: interfaces, as } = flags;
      if (service === undefined && from === undefined)
        command.error('error: name a network service, or a pod with --from');
      if (service === undefined && (label.length > 0 || interfaces.length > 0 || as !== undefined))
        command.error('error: name the network service that --label, --interface and --as are asked of');
      const { runExplain } = await import('./handler.js');
      await runExplain(service, flags);
    });
}
