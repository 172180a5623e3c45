// nsm gather: one archive for a bug report.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, stateDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { operatorFlags } from '../../flags/operator-flags.js';
import type { GatherFlags } from './flags.js';

export function gatherCommand(): Command {
  const command = new Command('gather')
    .summary('put all that a bug report needs into one archive')
    .description(
      'Writes a .tar.gz of what every manager of the mesh and this machine tell: versions, capabilities, checks, connections\n' +
        'with their history, why those that fail do, the policy, devices, routes, settings and logs. Other nodes are asked as an operator,\n' +
        'with a certificate of nsm pki issue NAME --operator. What does not answer is left out, and said so.\n' +
        'Keys, tokens, passwords, secrets of interfaces and labels of pods are not in it; names and addresses are.',
    );
  const options = [
    flag('-o, --archive <file>', 'the archive; - is standard output (default: nsm-gather-HOST-TIME.tar.gz)'),
    ...operatorFlags(),
    stateDirFlag(),
    jsonFlag(),
  ];
  for (const option of options) command.addOption(option);
  command.addHelpText(
    'after',
    examples(
      ['nsm gather', 'nsm-gather-HOST-TIME.tar.gz, in this folder'],
      ['nsm gather -o report.tar.gz', 'under this name'],
      ['nsm gather -o - | ssh desk tar -xz', 'from a node, to another machine'],
    ),
  );
  return command.action(async (flags: GatherFlags) => {
    const { runGather } = await import('./handler.js');
    await runGather(flags);
  });
}
