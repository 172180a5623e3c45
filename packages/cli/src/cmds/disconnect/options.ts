// nsm disconnect: closes a connection by its key as its client, or by its id as an operator.
import { Command } from 'commander';
import { podUid } from '../../config.js';
import { examples } from '../../examples.js';
import { jsonFlag, netnsFlag, runDirFlag, timeoutFlag } from '../../flags/common-flags.js';
import { connectionArgument } from '../../flags/connection-argument.js';
import { flag } from '../../flags/flags.js';
import { parseId, parseName } from '../../flags/names.js';
import type { DisconnectFlags } from './flags.js';

export function disconnectCommand(): Command {
  return new Command('disconnect')
    .summary('close a connection')
    .description(
      'Closes a connection: its interface, addresses and routes go. One that does not exist is closed already.',
    )
    .usage('SERVICE --request-id ID [options]\n       nsm disconnect --id CONNECTION [options]')
    .argument('[service]', 'name of the network service', parseName)
    .addOption(
      flag('--request-id <id>', 'the id it was connected with (default: POD_UID)', { parse: parseId }),
    )
    .addOption(flag('--id <connection>', connectionArgument[1]))
    .addOption(netnsFlag())
    .addOption(runDirFlag())
    .addOption(timeoutFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm disconnect vpn --netns red --request-id pod-1', 'give up what red asked for'],
        ['nsm disconnect --id node-a:069235bf-7e3bdd54…', 'as an operator, by the id of nsm get connections'],
      ),
    )
    .action(async (service: string | undefined, flags: DisconnectFlags, command: Command) => {
      const requestId = flags.requestId ?? podUid;
      const handler = import('./handler.js');
      if (flags.id) {
        if (service !== undefined) command.error('error: give either SERVICE or --id, not both');
        await (await handler).disconnectById(flags.id, flags);
      } else if (service !== undefined && requestId) {
        await (await handler).disconnectByKey(service, requestId, flags);
      } else {
        command.error(
          service === undefined
            ? 'error: say what to disconnect: SERVICE --request-id ID, or --id CONNECTION'
            : 'error: --request-id ID is missing (or --id CONNECTION; `nsm get connections` shows both)',
        );
      }
    });
}
