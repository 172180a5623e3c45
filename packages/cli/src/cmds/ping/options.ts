// nsm ping: whether packets pass a connection, and how long they take.
import { Command } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { connectionArgument } from '../../flags/connection-argument.js';
import { flag, parseDurationFrom, parseInteger } from '../../flags/flags.js';
import type { PingFlags } from './flags.js';

export function pingCommand(): Command {
  return new Command('ping')
    .summary('time packets through a connection')
    .description(
      'Sends packets through a connection of this node, from the interface in the pod to the other side, and beside the tunnel from\n' +
        'node to node: tells by what they go, how long each takes, and where they are lost. They are ICMP, or ARP and ND where the\n' +
        'other side answers no ICMP. Ends with status 1 when none came through.',
    )
    .argument(...connectionArgument)
    .addOption(
      flag('-c, --count <number>', 'rounds (default: until Ctrl-C)', { parse: parseInteger(1, 1_000_000) }),
    )
    .addOption(
      flag('--interval <duration>', 'time between two rounds', {
        default: 1000,
        defaultText: '1s',
        parse: parseDurationFrom('10ms', '60m'),
      }),
    )
    .addOption(
      flag('--timeout <duration>', 'time within which an answer counts', {
        default: 1000,
        defaultText: '1s',
        parse: parseDurationFrom('1ms', '10s'),
      }),
    )
    .addOption(
      flag(
        '-s, --size <bytes>',
        'of the IP packet through the connection, at most its MTU (default: small)',
        {
          parse: parseInteger(1, 65_535),
        },
      ),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm ping web-1', 'until Ctrl-C'],
        ['nsm ping web-1 -s 1450', 'whether packets as large as its MTU come through'],
        ['nsm ping web-1 -c 5 --json', 'five rounds, for a program'],
      ),
    )
    .action(async (connection: string, flags: PingFlags) => {
      const { runPing } = await import('./handler.js');
      await runPing(connection, flags);
    });
}
