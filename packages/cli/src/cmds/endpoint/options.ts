import { Argument, Command } from 'commander';
import { examples } from '../../examples.js';
import { parseCidr } from '../../flags/cidr.js';
import {
  interfaceFlag,
  jsonFlag,
  labelFlag,
  netnsFlag,
  otlpEndpointFlag,
  runDirFlag,
  waitFlag,
} from '../../flags/common-flags.js';
import { flag, parseInteger } from '../../flags/flags.js';
import { parseDeviceName, parseName } from '../../flags/names.js';
import { type EndpointFlags, type EndpointKind, endpointKinds } from './flags.js';

/** Commander would ask for a flag that must be given before it looks at the kind. */
type GivenFlags = Omit<EndpointFlags, 'name'> & { readonly name?: string };

export function endpointCommand(): Command {
  return new Command('endpoint')
    .summary('provide a network service with a ready-made endpoint')
    .description(
      'Runs a ready-made endpoint until Ctrl-C:\n' +
        '  icmp-responder  clients reach it and it answers their pings\n' +
        '  gateway         clients reach the routes it serves, through NAT behind --outside DEVICE\n' +
        '  bridge          clients are in one Ethernet segment, with addresses of its --prefix, and reach each other',
    )
    .addArgument(new Argument('<kind>', 'what to run').choices(endpointKinds))
    .usage('KIND --service NAME --name NAME [options]')
    .addOption(
      flag('--service <name>', 'network service to provide; may be repeated', {
        list: true,
        parse: parseName,
      }),
    )
    .addOption(flag('--name <name>', 'name of the endpoint', { parse: parseName }))
    .addOption(
      flag('--namespace <name>', 'Kubernetes namespace of the endpoint', {
        default: 'default',
        parse: parseName,
      }),
    )
    .addOption(netnsFlag())
    .addOption(labelFlag())
    .addOption(interfaceFlag())
    .addOption(
      flag(
        '--prefix <cidr>',
        'prefix from which the manager, or the bridge itself, gives out addresses; may be repeated',
        {
          list: true,
          parse: parseCidr,
        },
      ),
    )
    .addOption(
      flag('--route <cidr>', 'prefix that clients reach through the endpoint; may be repeated', {
        list: true,
        parse: parseCidr,
      }),
    )
    .addOption(
      flag(
        '--address <client[=endpoint]>',
        'address to give to a client instead of the manager’s choice, such as 10.60.1.1/31; may be repeated',
        { list: true },
      ),
    )
    .addOption(
      flag('--outside <device>', 'gateway: the device by which the routes are reached', {
        parse: parseDeviceName,
      }),
    )
    .addOption(flag('--device <name>', 'bridge: its name (default: nsm-bridge)', { parse: parseDeviceName }))
    .addOption(
      flag(
        '--mtu <bytes>',
        'MTU of its clients, as far as the way to them allows (default: 1500 on its own node, elsewhere what fits; bridge: 1430, which every kind of tunnel carries)',
        {
          parse: parseInteger(68, 65_535),
        },
      ),
    )
    .addOption(
      flag('--socket <path>', 'unix socket to serve on (default: endpoints/NAME.sock in the run directory)'),
    )
    .addOption(otlpEndpointFlag())
    .addOption(runDirFlag())
    .addOption(waitFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm endpoint icmp-responder --service echo', 'answers pings, for trying things out'],
        ['nsm endpoint gateway --service web --outside eth0', 'a way out by eth0, behind its address'],
      ),
    )
    .action(async (kind: EndpointKind, flags: GivenFlags, command: Command) => {
      const { name } = flags;
      if (flags.service.length === 0)
        command.error('error: --service NAME is missing: the network service to provide');
      if (!name) command.error('error: --name NAME is missing: how this endpoint is called');
      if (kind === 'gateway' && !flags.outside)
        command.error('error: a gateway needs --outside DEVICE, the device by which its routes are reached');
      if (kind !== 'gateway' && flags.outside)
        command.error(`error: --outside is for a gateway, not for ${kind}`);
      if (kind === 'bridge' && flags.prefix.length === 0)
        command.error('error: a bridge needs --prefix CIDR, from which it gives its clients addresses');
      if (kind === 'bridge' && flags.address.length > 0)
        command.error('error: --address is not for a bridge, which gives addresses of its --prefix');
      if (kind !== 'bridge' && flags.device !== undefined)
        command.error(`error: --device is for a bridge, not for ${kind}`);
      const { runEndpoint } = await import('./handler.js');
      await runEndpoint(kind, { ...flags, name });
    });
}
