// nsm get: lists of what the manager knows.
import { Command, InvalidArgumentError, Option } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { kindArgument } from '../../flags/kind-argument.js';
import { parseName } from '../../flags/names.js';
import { connectionStates, type GetFlags, type GetKind, getKinds } from './flags.js';

export function getCommand(): Command {
  return (
    new Command('get')
      .summary('list what the manager of this node knows')
      .description('Lists what the manager of this node knows.')
      .addArgument(kindArgument(getKinds, 'what to list'))
      .addOption(
        flag(
          '-o, --output <format>',
          'of connections: with counters, heals, and the round trip, measured now',
          {
            choices: ['wide'],
          },
        ),
      )
      // Without a variable: NSM_SERVICE is what an endpoint provides.
      .addOption(
        new Option('--service <name>', 'only connections to this network service').argParser(parseName),
      )
      .addOption(
        flag('--state <states>', `only connections in these states: ${connectionStates.join(', ')}`, {
          list: true,
          parse: parseState,
          defaultText: 'any',
        }),
      )
      .addOption(runDirFlag())
      .addOption(jsonFlag())
      .addHelpText(
        'after',
        examples(
          ['nsm get connections -o wide', 'with counters, heals and round trip'],
          ['nsm get connections --state healing,failed', 'those that do not carry packets'],
          ['nsm get endpoints', 'who provides what'],
        ),
      )
      .action(async (what: GetKind, flags: GetFlags, command: Command) => {
        const given = ['output', 'service', 'state'].some(
          (name) => command.getOptionValueSource(name) === 'cli',
        );
        if (what !== 'connections' && given)
          command.error('error: --output, --service and --state are for connections');
        const { runGet } = await import('./handler.js');
        await runGet(what, flags);
      })
  );
}

function parseState(text: string): string {
  const state = connectionStates.find((one) => one === text.toUpperCase());
  if (state === undefined) throw new InvalidArgumentError(`Write one of ${connectionStates.join(', ')}.`);
  return state;
}
