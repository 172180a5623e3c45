// The tree of commands. Only those that a command line can mean are loaded, and what they need only when they run.
import { Output } from '@nsm/output';
import { Command, type Help } from 'commander';
import { exitStatusHelp, usageText } from './exit-status.js';
import { jsonFlag } from './flags/common-flags.js';
import { ownVersion } from './own-version.js';

/** What people want to do, and an example of each: the groups of `nsm --help`. */
const groups = {
  use: ['Connect a pod to a network service:', 'nsm connect vpn --netns red'],
  provide: ['Provide a network service:', 'nsm endpoint icmp-responder --service echo'],
  look: ['See what there is and how it is:', 'nsm get connections -o wide'],
  why: ['Find out why:', 'nsm explain vpn --from red'],
  run: ['Run a node:', 'nsm manager --name node-a --listen 0.0.0.0:5001 --insecure'],
  attempt: ['Try a whole mesh on one machine:', 'nsm lab up examples/two-nodes.yaml'],
  own: ['This command:', 'source <(nsm completion bash)'],
} as const;
type Group = keyof typeof groups;

/** Every command: its name, under what `nsm --help` shows it, and how it is loaded. */
const commands: readonly (readonly [name: string, group: Group | undefined, load: () => Promise<Command>])[] =
  [
    ['connect', 'use', async () => (await import('./cmds/connect/options.js')).connectCommand()],
    ['disconnect', 'use', async () => (await import('./cmds/disconnect/options.js')).disconnectCommand()],
    ['endpoint', 'provide', async () => (await import('./cmds/endpoint/options.js')).endpointCommand()],
    ['status', 'look', async () => (await import('./cmds/status/options.js')).statusCommand()],
    ['check', 'look', async () => (await import('./cmds/check/options.js')).checkCommand()],
    ['get', 'look', async () => (await import('./cmds/get/options.js')).getCommand()],
    ['describe', 'look', async () => (await import('./cmds/describe/options.js')).describeCommand()],
    ['top', 'look', async () => (await import('./cmds/top/options.js')).topCommand()],
    ['dashboard', 'look', async () => (await import('./cmds/dashboard/options.js')).dashboardCommand()],
    ['watch', 'look', async () => (await import('./cmds/watch/options.js')).watchCommand()],
    ['explain', 'why', async () => (await import('./cmds/explain/options.js')).explainCommand()],
    ['ping', 'why', async () => (await import('./cmds/ping/options.js')).pingCommand()],
    ['trace', 'why', async () => (await import('./cmds/trace/options.js')).traceCommand()],
    ['capture', 'why', async () => (await import('./cmds/capture/options.js')).captureCommand()],
    ['bench', 'why', async () => (await import('./cmds/bench/options.js')).benchCommand()],
    ['gather', 'why', async () => (await import('./cmds/gather/options.js')).gatherCommand()],
    ['policy', 'why', async () => (await import('./cmds/policy/options.js')).policyCommand()],
    ['manager', 'run', async () => (await import('./cmds/manager/options.js')).managerCommand()],
    ['drain', 'run', async () => (await import('./cmds/drain/options.js')).drainCommand()],
    ['pki', 'run', async () => (await import('./cmds/pki/options.js')).pkiCommand()],
    ['forwarder', 'run', async () => (await import('./cmds/forwarder/options.js')).forwarderCommand()],
    ['registry', 'run', async () => (await import('./cmds/registry/options.js')).registryCommand()],
    ['kubernetes', 'run', async () => (await import('./cmds/kubernetes/options.js')).kubernetesCommand()],
    ['lab', 'attempt', async () => (await import('./cmds/lab/options.js')).labCommand()],
    ['completion', 'own', async () => (await import('./cmds/completion/options.js')).completionCommand()],
    ['version', 'own', async () => (await import('./cmds/version.js')).versionCommand()],
    ['__names', undefined, async () => (await import('./cmds/completion/names-options.js')).namesCommand()],
  ];

/**
 * @param argv begins with the command's name. Default: any.
 * @param json what is wrong with the command line is told by the error alone, and not in words on stderr.
 */
export async function buildProgram(argv: readonly string[] = [], json = false): Promise<Command> {
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
  const meant = commandsMeantBy(argv);
  const loaded = await Promise.all(meant.map(async ([, group, load]) => ({ group, command: await load() })));
  for (const { group, command } of loaded)
    if (group === undefined) program.addCommand(command, { hidden: true });
    else program.addCommand(command.helpGroup(groups[group][0]));
  const help = new Command('help').argument('[command]').description('show help for a command');
  program.addHelpCommand(help.helpGroup(groups.own[0]));
  everyCommand(program, (command) => {
    command
      .exitOverride()
      // Values of variables and arguments are told of, which may be names that strangers chose.
      .configureOutput({
        writeErr: (text) => {
          // The whole error follows, as JSON.
          if (!json) new Output(false, process.stderr).paragraphs(text.trimEnd());
        },
        outputError: (text, write) => write(`nsm: ${usageText(text)}`),
      })
      .showSuggestionAfterError()
      .helpOption('-h, --help', 'show help')
      .configureHelp({
        sortOptions: false,
        minWidthToWrap: 20,
        optionDescription: describeOption,
        commandDescription: (described) => flowing(described.description()),
        ...(command === program ? { formatItemList: withExample } : {}),
      })
      .showHelpAfterError(`See: ${pathOf(command)} --help`);
  });
  return program;
}

/** The commands of a group, and an example of what it is for. */
function withExample(heading: string, items: string[]): string[] {
  if (items.length === 0) return [];
  const example = Object.values(groups).find(([title]) => title === heading)?.[1];
  return [heading, ...items, ...(example === undefined ? [] : [`    $ ${example}`]), ''];
}

/** A completion script is about all commands, as is help, and a word that is none of them is like some of them. */
function commandsMeantBy([first]: readonly string[]): typeof commands {
  if (first === '-V' || first === '--version') return [];
  const one = commands.filter(([name]) => name === first && name !== 'completion');
  return one.length > 0 ? one : commands;
}

function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}

/** `nsm lab up`. */
export function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name();
}

/** Lines of a source file are broken anew where the terminal ends, but for those that are set apart by a blank line or are further in. */
function flowing(text: string): string {
  return text.replace(/(?<!\n)\n(?![\n ])/g, ' ');
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
