// nsm manager: the manager of one node.
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { endForwarderThread, loadForwarderThread } from '@nsm/forwarder/load-thread';
import { defaultLimits, type Limits } from '@nsm/manager/limits';
import { Command, Option } from 'commander';
import { examples } from '../../examples.js';
import { parseAddress, parseCidr, parseServicePrefix } from '../../flags/cidr.js';
import {
  logFormatFlag,
  logLevelFlag,
  metricsListenFlag,
  otlpEndpointFlag,
  policyFlag,
  runDirFlag,
  stateDirFlag,
  vxlanEngineFlag,
} from '../../flags/common-flags.js';
import { etcdFlags } from '../../flags/etcd-flags.js';
import { flag, parseDurationFrom, parseHostPort, parseInteger, parseReachable } from '../../flags/flags.js';
import { lendingFlags } from '../../flags/lending-flags.js';
import { limitFlag } from '../../flags/limit-flag.js';
import { parseManagerName, parseName } from '../../flags/names.js';
import { parseRegistryUrl } from '../../flags/registry-url.js';
import { securityFlags } from '../../flags/security-flags.js';
import { parseServiceTunnel, tunnelTypeNames } from '../../flags/tunnel-flag.js';
import type { ManagerFlags } from './flags.js';

export function managerCommand(): Command {
  const command = new Command('manager')
    .summary('run the manager of this node')
    .description(
      'Runs the network service manager (NSM) of this node until SIGTERM. Logs JSON lines to stdout; the one with ' +
        '"msg":"ready" says that clients and endpoints can come.',
    )
    .addOption(
      flag('--name <name>', 'name of the manager, the network_service_host of its endpoints', {
        default: hostname(),
        parse: parseManagerName,
        defaultText: 'the host name',
      }),
    )
    .addOption(runDirFlag())
    .addOption(stateDirFlag())
    .addOption(
      flag('--listen <host:port>', 'where other managers call', {
        default: '0.0.0.0:5001',
        parse: parseHostPort,
      }),
    )
    .addOption(
      flag(
        '--advertise <host:port>',
        'address for other managers to call (default: of this host, port as --listen)',
        { parse: parseReachable },
      ),
    )
    .addOption(
      flag(
        '--registry <url>',
        'embedded: (served by this manager), nsm://[NAME@]HOST:PORT (another manager, or nsm registry), etcd://HOST:PORT,…[/PREFIX], or kubernetes:[NAMESPACE] (objects of the cluster)',
        { default: 'embedded:', parse: parseRegistryUrl },
      ),
    )
    .addOption(
      flag('--tunnel-address <ip>', 'own end of tunnels (default: by the route to the other node)', {
        parse: parseAddress,
      }),
    )
    .addOption(
      flag(
        '--tunnel <[service=]kind>',
        `only these kinds of tunnel, for one service or all others, in order of preference: ${tunnelTypeNames.join(', ')}; may be repeated`,
        { list: true, parse: parseServiceTunnel, defaultText: 'all that work here, VXLAN first' },
      ),
    )
    .addOption(vxlanEngineFlag())
    .addOption(
      flag('--prefix <[service=]cidr>', 'prefix to give out addresses from; may be repeated', {
        list: true,
        parse: parseServicePrefix,
      }),
    )
    .addOption(
      flag(
        '--cluster-prefix <cidr>',
        'prefix that pods reach by their own default route, whatever routes connections have; may be repeated',
        { list: true, parse: parseCidr },
      ),
    )
    .addOption(
      flag('--allow-uid <uid>', 'user who may ask for namespaces that are not its own; may be repeated', {
        list: true,
        parse: parseInteger(0, 0xffff_fffe),
      }),
    )
    .addOption(limitFlag(Object.keys(defaultLimits) as (keyof Limits)[]))
    .addOption(
      flag(
        '--forwarder <where>',
        'internal: in this process; external: nsm forwarder with the same --run-dir',
        {
          default: 'internal',
          choices: ['internal', 'external'],
        },
      ),
    )
    .addOption(flag('--forwarder-socket <path>', 'socket of an external forwarder'))
    .addOption(
      flag(
        '--probe-interval <duration>',
        'how often a packet is sent through a tunnel to each other node; clients leave a node when three have not come back',
        {
          default: 500,
          defaultText: '500ms', // Less than a packet may take on its way proves nothing; more than a minute is of no use.
          parse: parseDurationFrom('50ms', '60s'),
        },
      ),
    )
    .addOption(
      policyFlag(
        'who may provide and ask for what; read again when it changes; kubernetes:[NAMESPACE] for the NetworkServicePolicy objects of a cluster (default: everybody may)',
      ),
    )
    .addOption(
      flag(
        '--audit-log <file>',
        'file or pipe for a line of JSON for each decision and change; - is stderr',
        {
          parse: (path) => (path === '-' ? path : resolve(path)),
        },
      ),
    )
    .addOption(metricsListenFlag())
    .addOption(otlpEndpointFlag())
    .addOption(
      flag('--node-name <name>', 'name of this node in Kubernetes, spec.nodeName of its pods', {
        defaultText: 'the name of the manager',
        parse: parseName,
      }),
    )
    .addOption(
      flag(
        '--attach-pods',
        "attach this node's pods by their annotation networkservicemesh.io (default with --registry kubernetes:)",
      ),
    )
    .addOption(new Option('--no-attach-pods', 'leave it to agents in the pods'))
    .addOption(logLevelFlag())
    .addOption(logFormatFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm manager --name node-a --listen 0.0.0.0:5001 --insecure', 'a mesh of one node, in plain text'],
        [
          'nsm manager --name node-b --listen 0.0.0.0:5001 --join TOKEN@node-a:5001',
          'a second node, with a token of nsm pki join-token',
        ],
      ),
    )
    .action(async (flags: ManagerFlags) => {
      // The thread of its forwarder loads what it needs while this one does.
      const thread =
        flags.forwarder === 'internal' && !flags.forwarderSocket ? loadForwarderThread() : undefined;
      try {
        const { runManager } = await import('./handler.js');
        await runManager(flags, thread);
      } finally {
        if (thread) await endForwarderThread(thread);
      }
    });
  command.addOption(
    flag(
      '--insecure-operators',
      'with --insecure: whoever reaches the port may look at this node as an operator does (nsm dashboard)',
    ),
  );
  for (const option of [...etcdFlags(), ...securityFlags(), ...lendingFlags()]) command.addOption(option);
  return command;
}
