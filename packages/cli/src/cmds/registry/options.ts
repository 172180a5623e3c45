// nsm registry: the registry on its own.
import { hostname } from 'node:os';
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { logFormatFlag, logLevelFlag, metricsListenFlag } from '../../flags/common-flags.js';
import { etcdFlags } from '../../flags/etcd-flags.js';
import { flag, parseHostPort } from '../../flags/flags.js';
import { parseName } from '../../flags/names.js';
import { parseStoreUrl } from '../../flags/registry-url.js';
import { securityFlags } from '../../flags/security-flags.js';
import type { RegistryFlags } from './flags.js';

export function registryCommand(): Command {
  const command = new Command('registry')
    .summary('run the registry on its own')
    .description(
      'Keeps the records of endpoints and managers for managers started with --registry nsm://HOST:PORT, until SIGTERM.',
    )
    .addOption(
      flag('--name <name>', 'name of the registry, in its certificate', {
        default: hostname(),
        parse: parseName,
        defaultText: 'the host name',
      }),
    )
    .addOption(
      flag('--listen <host:port>', 'where managers call', { default: '0.0.0.0:5000', parse: parseHostPort }),
    )
    .addOption(
      flag(
        '--store <url>',
        'embedded: (a file under --state-dir) or etcd://HOST:PORT,…[/PREFIX] keeps the records',
        {
          default: 'embedded:',
          parse: parseStoreUrl,
        },
      ),
    )
    .addOption(flag('--state-dir <dir>', 'folder of the records', { default: '/var/lib/nsm-registry' }))
    .addOption(metricsListenFlag())
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText(
      'after',
      examples([
        'nsm registry --listen 0.0.0.0:5002 --insecure',
        'for managers with --registry nsm://HOST:5002',
      ]),
    )
    .action(async (flags: RegistryFlags) => {
      const { runRegistry } = await import('./handler.js');
      await runRegistry(flags);
    });
  for (const option of [...etcdFlags(), ...securityFlags()]) command.addOption(option);
  return command;
}
