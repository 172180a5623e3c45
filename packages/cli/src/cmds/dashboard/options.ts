// nsm dashboard: the mesh as a page.
import { Command, InvalidArgumentError, type Option } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag } from '../../flags/common-flags.js';
import { flag, parseHostPort } from '../../flags/flags.js';
import { parseHostName } from '../../flags/names.js';
import { operatorFlags } from '../../flags/operator-flags.js';
import type { DashboardFlags } from './flags.js';

export function dashboardCommand(): Command {
  const command = new Command('dashboard')
    .summary('show the mesh as a page')
    .description(
      'Serves a page with the mesh as it is now until Ctrl-C, and prints its address. It asks the manager of this node by admin.sock,\n' +
        'those of other nodes as an operator: with a certificate of nsm pki issue NAME --operator, which the machine with the\n' +
        "mesh's authority makes by itself.\n" +
        'On another address than a loopback one it wants a token, which is in the address that it prints.',
    );
  const options: readonly Option[] = [
    flag('--listen <host:port>', 'where browsers call; port 0 takes a free one', {
      default: '127.0.0.1:7070',
      parse: parseHostPort,
    }),
    flag(
      '--allow-changes',
      'let the page end connections and drain nodes, through admin.sock; wants a token',
    ),
    flag(
      '--token <text>',
      'token that the page wants, 16 characters or more (default: a new one where one is wanted)',
      {
        parse: parseToken,
      },
    ),
    flag(
      '--host-name <name>',
      'name under which browsers may ask for the page, beside localhost and addresses',
      {
        list: true,
        parse: parseHostName,
      },
    ),
    flag(
      '--https',
      "serve HTTPS with the operator's certificate; a browser with one of another operator needs no token",
    ),
    ...operatorFlags(),
    jsonFlag(),
  ];
  for (const option of options) command.addOption(option);
  command.addHelpText(
    'after',
    examples(
      ['nsm dashboard', 'this mesh, at http://127.0.0.1:7070'],
      ['nsm dashboard --run-dir /run/a --run-dir /run/b', 'several managers of this machine'],
      ['nsm dashboard --listen 0.0.0.0:7070', 'from elsewhere, with the token that is printed'],
    ),
  );
  return command.action(async (flags: DashboardFlags) => {
    const { runDashboard } = await import('./handler.js');
    await runDashboard(flags);
  });
}

function parseToken(text: string): string {
  if (!/^[\w.~-]{16,}$/.test(text))
    throw new InvalidArgumentError("Write 16 or more of A-Z, a-z, 0-9, '.', '_', '~' and '-'.");
  return text;
}
