import { Command } from 'commander';
import { examples } from '../../examples.js';
import {
  interfaceFlag,
  jsonFlag,
  labelFlag,
  netnsFlag,
  otlpEndpointFlag,
  runDirFlag,
  timeoutFlag,
  waitFlag,
} from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { parseId, parseName } from '../../flags/names.js';
import type { ConnectFlags } from './flags.js';

export function connectCommand(): Command {
  return new Command('connect')
    .summary('connect to a network service')
    .description(
      'Asks the manager of this node for a network service and prints what it gave.\n' +
        'The interface stays until it is disconnected or its network namespace is gone; ' +
        'with --hold, until this command ends.',
    )
    .argument('<service>', 'name of the network service', parseName)
    .addOption(
      flag(
        '--request-id <id>',
        'key of the connection, the Pod UID in a pod (default: POD_UID, or a new UUID)',
        { parse: parseId },
      ),
    )
    .addOption(netnsFlag())
    .addOption(interfaceFlag())
    .addOption(labelFlag())
    .addOption(
      flag('--lifetime <what>', 'what ends the connection (default: namespace; process with --hold)', {
        choices: ['namespace', 'process'],
      }),
    )
    .addOption(flag('--hold', 'stay, tell what becomes of the connection, and close it on Ctrl-C'))
    .addOption(otlpEndpointFlag())
    .addOption(flag('--dry-run', 'tell what would come of it, and change nothing'))
    .addOption(runDirFlag())
    .addOption(timeoutFlag())
    .addOption(waitFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm connect vpn --netns red', 'attach the network namespace red to vpn'],
        [
          "nsm connect vpn --netns red --label tier=gold --interface 'kernel?name=vpn0'",
          'to an endpoint with that label, as vpn0',
        ],
        ['nsm connect vpn --netns red --dry-run', 'only tell what would come of it'],
        ['nsm connect vpn --hold', 'from within a pod, for as long as this command runs'],
      ),
    )
    .action(async (service: string, flags: ConnectFlags, command: Command) => {
      if (flags.lifetime === 'process' && !flags.hold)
        command.error('error: --lifetime process ends with this command: add --hold');
      if (flags.dryRun) {
        const { runDryRun } = await import('./dry-run.js');
        return await runDryRun(service, flags);
      }
      const { runConnect } = await import('./handler.js');
      await runConnect(service, flags);
    });
}
