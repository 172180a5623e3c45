// nsm policy: what may be provided and asked for, and by which rule.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { interfaceFlag, jsonFlag, policyFlag, runDirFlag } from '../../flags/common-flags.js';
import { flag } from '../../flags/flags.js';
import { parseName, parseProvider } from '../../flags/names.js';
import type { PolicyFlags, PolicyTestFlags } from './flags.js';

export function policyCommand(): Command {
  const command = new Command('policy')
    .summary('look at the policy, and try it')
    .description('Tells who may provide and ask for which network service, and which rule says so.');
  command
    .command('test')
    .summary('tell what the policy decides for a subject')
    .description(
      'Tells what the policy of the manager, or of a file, decides for a subject, and which rule decides.\n' +
        'A subject is a list of facts: netns=red,uid=1000,gid=1000,inode=4026532208,manager=node-b,domain=nsm,label.KEY=VALUE,\n' +
        'namespace=NS,service-account=NAME,pod=NAME,pod-label.KEY=VALUE; those left out are not known.\n' +
        'Exit status 1 when it is not allowed.',
    )
    .argument('<subject>', 'who asks or provides, such as netns=red,uid=1000')
    .argument('<service>', 'name of the network service', parseName)
    .addOption(
      flag('--action <action>', 'what the subject wants', {
        default: 'request',
        choices: ['request', 'provide'],
      }),
    )
    .addOption(
      flag('--provider <name>', 'name of the endpoint, or NAMESPACE/NAME (default: each that there is)', {
        parse: parseProvider,
      }),
    )
    .addOption(interfaceFlag())
    .addOption(policyFlag('policy file to try, without a manager'))
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(['nsm policy test netns=red,uid=1000 vpn', 'may a process of user 1000 in red ask for vpn?']),
    )
    .action(async (subject: string, service: string, flags: PolicyTestFlags) => {
      const { runPolicyTest } = await import('./handler.js');
      await runPolicyTest(subject, service, flags);
    });
  command
    .command('show')
    .summary('print the policy that is in force')
    .description(
      'Prints the policy that is in force at the manager of this node, or checks and prints a file.\n' +
        'Exit status 1 when the file is not in order.',
    )
    .addOption(policyFlag('policy file to check, without a manager'))
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm policy show', 'the policy that is in force'],
        ['nsm policy show --policy policy.yaml', 'check a file before it is put in force'],
      ),
    )
    .action(async (flags: PolicyFlags) => {
      const { runPolicyShow } = await import('./handler.js');
      await runPolicyShow(flags);
    });
  return command;
}
