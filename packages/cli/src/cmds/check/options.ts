// nsm check: whether this machine and its mesh are as they should be, and what mends what is not.
import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag, stateDirFlag } from '../../flags/common-flags.js';
import { flag, parseHostPort } from '../../flags/flags.js';
import { parseRegistryUrl } from '../../flags/registry-url.js';
import type { CheckFlags } from './flags.js';
import { type GroupName, groupNames } from './group-names.js';

export function checkCommand(): Command {
  return new Command('check')
    .summary('look whether everything a node needs is there, and what mends what is not')
    .description(
      'Looks at this machine, and by its manager at the mesh: √ well, ! works but look at it, × broken, - not tried, and why. Each check\n' +
        'has a code, which docs/checks.md explains, and the command that mends it. Nothing is changed, and nothing is left behind.\n' +
        'Exit status 0 when nothing is broken (warnings are no failure), 1 when something is, 3 when all that is to be known of a manager is not,\n' +
        'because none answers.',
    )
    .addOption(flag('--pre', 'before the first manager is started here: only what needs none'))
    .addOption(
      flag('--only <group>', `only this group of checks, one of ${groupNames.join(', ')}; may be repeated`, {
        list: true,
        parse: parseGroup,
        defaultText: 'all',
      }),
    )
    .addOption(
      flag(
        '--junit <file>',
        'write the results as JUnit XML, too; - is standard output, in place of all else',
        {
          parse: (path) => (path === '-' ? path : resolve(path)),
        },
      ),
    )
    .addOption(runDirFlag())
    .addOption(stateDirFlag())
    .addOption(
      flag('--listen <host:port>', 'where a manager is going to listen, if none answers', {
        default: '0.0.0.0:5001',
        parse: parseHostPort,
      }),
    )
    .addOption(
      flag(
        '--registry <url>',
        'registry of a manager that is going to be started: kubernetes: checks the cluster',
        { parse: parseRegistryUrl },
      ),
    )
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm check', 'all of a node whose manager runs'],
        ['nsm check --pre', 'before the first start'],
        ['nsm check --only network --json', 'one group, for a program'],
      ),
    )
    .action(async (flags: CheckFlags) => {
      const { runCheck } = await import('./handler.js');
      await runCheck(flags);
    });
}

function parseGroup(text: string): GroupName {
  const found = groupNames.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`Write one of ${groupNames.join(', ')}.`);
  return found;
}
