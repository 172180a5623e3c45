// nsm watch: everything that happens, as it happens.
import { Argument, Command, InvalidArgumentError } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { type WatchFlags, type WatchTopic, watchTopics } from './flags.js';

export function watchCommand(): Command {
  return new Command('watch')
    .summary('show changes as they happen')
    .description(
      'Shows what there is, then everything that happens, one line each, until Ctrl-C: connections, endpoints and managers that ' +
        'come, change and go, changes of the policy, and what limits refuse. After a restart of the manager it goes on with what has ' +
        'changed meanwhile. With --json each line is a JSON document.',
    )
    .addArgument(new Argument('[topic]', 'the same as --only').choices(watchTopics))
    .addOption(
      flag('--only <topics>', `of ${watchTopics.join(', ')}; separated by commas`, {
        list: true,
        parse: parseTopic,
        defaultText: 'all of them',
      }),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm watch', 'everything, as it happens'],
        ['nsm watch --only endpoints,managers --json', 'JSON lines, for programs'],
      ),
    )
    .action(async (topic: WatchTopic | undefined, flags: WatchFlags) => {
      const { runWatch } = await import('./handler.js');
      await runWatch(topic === undefined ? flags : { ...flags, only: [...flags.only, topic] });
    });
}

function parseTopic(text: string): WatchTopic {
  const topic = watchTopics.find((one) => one === text);
  if (topic === undefined) throw new InvalidArgumentError(`Write one of ${watchTopics.join(', ')}.`);
  return topic;
}
