// nsm bench: what passes through a connection.
import { Command, InvalidArgumentError } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { connectionArgument } from '../../flags/connection-argument.js';
import { flag, parseDuration } from '../../flags/flags.js';
import type { BenchFlags } from './flags.js';

/** Milliseconds. */
const longestMs = 30_000;

export function benchCommand(): Command {
  return new Command('bench')
    .summary('measure throughput, latency and loss through a connection')
    .description(
      'Measures a connection of this node, one after the other: the round trips of small packets, TCP each way, and UDP as fast as one\n' +
        'thread sends it. The managers of both nodes open sockets in both pods for it, and take processors for as long: what a pod sends\n' +
        'itself meanwhile is slowed down. Both pods need a device.',
    )
    .argument(...connectionArgument)
    .addOption(
      flag('--duration <duration>', 'time of each of the four measurements, 30s at most', {
        default: 2000,
        defaultText: '2s',
        parse: (text) => {
          const ms = parseDuration(text);
          if (ms >= 1 && ms <= longestMs) return ms;
          throw new InvalidArgumentError('Write a duration from 1ms to 30s.');
        },
      }),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm bench pod-1', 'by request id, for 8 s'],
        ['nsm bench pod-1 --duration 10s --json', 'longer, for programs'],
      ),
    )
    .action(async (connection: string, flags: BenchFlags) => {
      const { runBench } = await import('./handler.js');
      await runBench(connection, flags);
    });
}
