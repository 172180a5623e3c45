// nsm describe: all there is to know of one thing.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { kindArgument } from '../../flags/kind-argument.js';
import { type DescribeFlags, type DescribeKind, describeKinds } from './flags.js';

export function describeCommand(): Command {
  return new Command('describe')
    .summary('tell all about one thing')
    .description('Tells all that the manager of this node knows about one thing.')
    .usage('manager | service NAME | endpoint NAME | connection ID | tunnel [options]')
    .addArgument(kindArgument(describeKinds, 'kind of thing'))
    .argument('[name]', 'its name; of a connection its id, how that begins, or its request id')
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm describe connection pod-1', 'by request id, or by id'],
        ['nsm describe manager', 'limits, tunnels, policy'],
        ['nsm describe service vpn', 'its endpoints, the best first'],
      ),
    )
    .action(async (what: DescribeKind, name: string | undefined, flags: DescribeFlags, command: Command) => {
      if (name === undefined && ['service', 'endpoint', 'connection'].includes(what))
        command.error(
          `error: which ${what}? Write: nsm describe ${what} ${what === 'connection' ? 'ID' : 'NAME'}`,
        );
      if (name !== undefined && what === 'tunnel')
        command.error(
          `error: describe tunnel shows all tunnels of this node. Of one connection: nsm describe connection ${name}`,
        );
      const { runDescribe } = await import('./handler.js');
      await runDescribe(what, name ?? '', flags);
    });
}
