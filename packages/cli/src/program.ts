// The tree of commands. Each loads what it needs only when it runs.
import { Command, type Help } from 'commander';
import { namesCommand } from './cmds/completion/names-options.js';
import { completionCommand } from './cmds/completion/options.js';
import { connectCommand } from './cmds/connect/options.js';
import { describeCommand } from './cmds/describe/options.js';
import { disconnectCommand } from './cmds/disconnect/options.js';
import { drainCommand } from './cmds/drain/options.js';
import { endpointCommand } from './cmds/endpoint/options.js';
import { explainCommand } from './cmds/explain/options.js';
import { forwarderCommand } from './cmds/forwarder/options.js';
import { getCommand } from './cmds/get/options.js';
import { labCommand } from './cmds/lab/options.js';
import { managerCommand } from './cmds/manager/options.js';
import { registryCommand } from './cmds/registry/options.js';
import { ownVersion, versionCommand } from './cmds/version.js';
import { watchCommand } from './cmds/watch/options.js';
import { jsonFlag } from './common-flags.js';
import { exitStatusHelp } from './exit-status.js';

export function buildProgram(): Command {
  const program = new Command('nsm')
    .description(
      'Network Service Mesh: connects pods and Linux network namespaces to network services, by name',
    )
    // What follows a command is the command's: `nsm lab exec LAB POD ls -la`.
    .enablePositionalOptions()
    .version(ownVersion(), '-V, --version', 'show the version')
    .addOption(jsonFlag())
    // Before or after the command, as people expect of a flag that nearly all have.
    .hook('preAction', (all, command) => {
      if (all.opts().json) command.setOptionValue('json', true);
    })
    .addHelpText('after', exitStatusHelp);
  const groups: readonly (readonly [string, readonly Command[]])[] = [
    ['Use a network service:', [connectCommand(), disconnectCommand()]],
    ['Provide one:', [endpointCommand()]],
    ['Look:', [getCommand(), describeCommand(), explainCommand(), watchCommand()]],
    ['Run a node:', [managerCommand(), drainCommand(), forwarderCommand(), registryCommand()]],
    ['Try it on one machine:', [labCommand()]],
    ['This command:', [completionCommand(), versionCommand()]],
  ];
  for (const [heading, commands] of groups)
    for (const command of commands) program.addCommand(command.helpGroup(heading));
  program.addCommand(namesCommand(), { hidden: true });
  const help = new Command('help').argument('[command]').description('show help for a command');
  program.addHelpCommand(help.helpGroup('This command:'));
  everyCommand(program, (command) => {
    command
      .exitOverride()
      .showSuggestionAfterError()
      .helpOption('-h, --help', 'show help')
      .configureHelp({ sortOptions: false, optionDescription: describeOption })
      .showHelpAfterError(`See: ${pathOf(command)} --help`);
  });
  return program;
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}

/** `nsm lab up`. */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

/** Without the variables, which follow from the names, and without empty defaults. */
function describeOption(option: Parameters<Help['optionDescription']>[0]): string {
  const extra = [];
  if (option.argChoices) extra.push(`one of ${option.argChoices.join(', ')}`);
  const byDefault = option.defaultValueDescription ?? option.defaultValue;
  const empty = byDefault === undefined || (Array.isArray(byDefault) && byDefault.length === 0);
  if (!empty && !option.isBoolean()) extra.push(`default: ${byDefault}`);
  return extra.length > 0 ? `${option.description} (${extra.join('; ')})` : option.description;
}
