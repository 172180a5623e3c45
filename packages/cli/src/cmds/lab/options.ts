// nsm lab: a whole mesh on this machine.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { exitStatus } from '../../exit-status.js';
import { jsonFlag } from '../../flags/common-flags.js';
import { flag, parseHostPort } from '../../flags/flags.js';

interface UpFlags {
  readonly once?: boolean;
  readonly dryRun?: boolean;
  readonly keep?: boolean;
  readonly trust?: boolean;
  /** True: where there is room. */
  readonly dashboard?: string | true;
  readonly json?: boolean;
}

interface JsonFlag {
  readonly json?: boolean;
}

export function labCommand(): Command {
  return new Command('lab')
    .summary('run a whole mesh on this machine')
    .description(
      'Runs nodes and pods as network namespaces on this machine, as one YAML file describes them.\n' +
        'Needs root, or a kernel that gives ordinary users namespaces of their own.',
    )
    .enablePositionalOptions()
    .addCommand(upCommand())
    .addCommand(inspectCommand())
    .enablePositionalOptions()
    .addCommand(execCommand())
    .addCommand(downCommand())
    .addCommand(listCommand());
}

function upCommand(): Command {
  return new Command('up')
    .summary('bring a lab up, and take it down on Ctrl-C')
    .description(
      'Brings a lab up, shows a table of its connections, and takes it down on Ctrl-C.\n' +
        'Exit status 1 when a connection does not carry packets in both directions.',
    )
    .argument('<file>', 'YAML file of the lab')
    .addOption(flag('--once', 'take it down as soon as the table is shown'))
    .addOption(flag('--keep', 'leave it up and return; `nsm lab down` removes it'))
    .addOption(flag('--dry-run', 'show what would be made, make nothing'))
    .addOption(flag('--trust', 'let its file set any variable, and name files of this machine'))
    .addOption(
      flag(
        '--dashboard [host:port]',
        'while it stays, show it as a page, as nsm dashboard does (default: 127.0.0.1:7070, or any free port)',
        {
          parse: parseHostPort,
        },
      ),
    )
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm lab up examples/two-nodes.yaml', 'until Ctrl-C'],
        ['nsm lab up examples/two-nodes.yaml --dry-run', 'only tell what it would make'],
      ),
    )
    .action(async (file: string, flags: UpFlags, command: Command) => {
      if (flags.once && flags.keep) command.error('error: --once and --keep exclude each other');
      const { labUp } = await import('@nsm/lab');
      const { dashboard, ...options } = flags;
      const page = dashboard === undefined ? {} : { dashboard: dashboard === true ? '' : dashboard };
      finish((await labUp(file, { ...options, ...page })).ok);
    });
}

function inspectCommand(): Command {
  return new Command('inspect')
    .summary('show the table of a lab again')
    .description('Measures the connections of a lab that is up and shows its table again.')
    .argument('<lab>', 'name of the lab, or its file')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm lab inspect two-nodes', 'its clients, with round trips']))
    .action(async (lab: string, flags: JsonFlag) => {
      const { labInspect } = await import('@nsm/lab');
      finish((await labInspect(lab, flags)).ok);
    });
}

function execCommand(): Command {
  return new Command('exec')
    .summary('run a command inside a node or a pod')
    .description('Runs a command in the network namespace of a node, a pod or an outside host of a lab.')
    .usage('LAB MEMBER COMMAND [ARGUMENT…]')
    .argument('<lab>', 'name of the lab, or its file')
    .argument('<member>', 'node, pod or outside host')
    .argument('<command...>', 'command and its arguments')
    .passThroughOptions()
    .addHelpText(
      'after',
      examples(['nsm lab exec two-nodes alice ping 100.64.64.0', 'from inside the pod alice']),
    )
    .action(async (lab: string, member: string, argv: string[]) => {
      const { labExec } = await import('@nsm/lab');
      // As with other commands that run commands, a `--` before it is allowed.
      process.exitCode = await labExec(lab, member, argv[0] === '--' ? argv.slice(1) : argv);
    });
}

function downCommand(): Command {
  return new Command('down')
    .summary('take a lab down')
    .description('Takes a lab down, whether its `up` still runs, was killed, or left it with --keep.')
    .argument('<lab>', 'name of the lab, or its file')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm lab down two-nodes', 'also after a crash']))
    .action(async (lab: string, flags: JsonFlag) => {
      const { labDown } = await import('@nsm/lab');
      finish((await labDown(lab, flags)).ok);
    });
}

function listCommand(): Command {
  return new Command('list')
    .summary('list the labs that are up')
    .description('Lists the labs that are up on this machine.')
    .addOption(jsonFlag())
    .addHelpText('after', examples(['nsm lab list', 'their names, and where their files are']))
    .action(async (flags: JsonFlag) => {
      const { labList } = await import('@nsm/lab');
      labList(flags);
    });
}

function finish(ok: boolean): void {
  process.exitCode = ok ? exitStatus.ok : exitStatus.failed;
}
