// nsm dashboard: the mesh as a page.
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, type Option } from 'commander';
import { jsonFlag } from '../../common-flags.js';
import { examples } from '../../examples.js';
import { flag, parseHostPort } from '../../flags.js';
import { defaultPkiDir } from '../../security-flags.js';
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
    flag('--run-dir <dir>', "folder of a manager's sockets on this machine; may be repeated", {
      list: true,
      defaultText: '/run/nsm',
      parse: (path) => resolve(path),
    }),
    flag('--manager <host:port>', 'manager to ask over TCP, as [NAME@]HOST:PORT; may be repeated', {
      list: true,
      defaultText: 'those that a manager of this machine knows',
      parse: parseManager,
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
      },
    ),
    flag(
      '--https',
      "serve HTTPS with the operator's certificate; a browser with one of another operator needs no token",
    ),
    flag('--tls-cert <file>', "operator's certificate for the managers of other nodes", { parse: toPath }),
    flag('--tls-key <file>', 'its key', { parse: toPath }),
    flag('--tls-ca <file>', 'authorities whose certificates are believed', { parse: toPath }),
    flag('--pki-dir <dir>', "folder of the mesh's own authority, where this machine has it", {
      default: defaultPkiDir,
      parse: toPath,
    }),
    flag('--insecure', 'ask managers that have --insecure-operators, in plain text'),
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

const toPath = (text: string): string => resolve(text);

function parseManager(text: string): string {
  const at = text.lastIndexOf('@');
  return `${text.slice(0, at + 1)}${parseHostPort(text.slice(at + 1))}`;
}

function parseToken(text: string): string {
  if (!/^[\w.~-]{16,}$/.test(text))
    throw new InvalidArgumentError("Write 16 or more of A-Z, a-z, 0-9, '.', '_', '~' and '-'.");
  return text;
}
