// nsm capture: the packets of one connection.
import { Command, InvalidArgumentError } from 'commander';
import { examples } from '../../examples.js';
import { jsonFlag, runDirFlag } from '../../flags/common-flags.js';
import { connectionArgument } from '../../flags/connection-argument.js';
import { flag, parseDurationFrom, parseInteger } from '../../flags/flags.js';
import { type CaptureFlags, type CaptureWord, captureWords } from './flags.js';

export function captureCommand(): Command {
  return new Command('capture')
    .summary('capture the packets of a connection')
    .description(
      'Shows the packets of a connection of this node, a line each, or writes them as pcapng:\n' +
        'They are captured at the client, the endpoint, the node (its end of a device in a pod) and the underlay (the packets of the\n' +
        "connection's tunnel, as they are between the nodes), on whichever node that is; all is all of these on both nodes.",
    )
    .argument(...connectionArgument)
    .addOption(
      flag('--at <places>', `where: of ${captureWords.join(', ')}`, {
        list: true,
        parse: parsePlace,
        defaultText: "the pod on this node, the client's first",
      }),
    )
    .addOption(
      flag('--filter <expression>', 'only packets that it fits, as for tcpdump: "icmp or tcp port 80"'),
    )
    .addOption(flag('-w, --write <file>', 'write pcapng to a file, or to standard output (-)'))
    .addOption(
      flag('-c, --count <number>', 'end after so many packets', { parse: parseInteger(1, 1_000_000_000) }),
    )
    .addOption(
      flag('--duration <duration>', 'end after this long', { parse: parseDurationFrom('1ms', '1440m') }),
    )
    .addOption(
      flag('--snap-length <bytes>', 'keep so many bytes of each packet (default: all)', {
        parse: parseInteger(16, 65_535),
      }),
    )
    .addOption(runDirFlag())
    .addOption(jsonFlag())
    .addHelpText(
      'after',
      examples(
        ['nsm capture web-1', 'a line for each packet'],
        ['nsm capture web-1 -w - | wireshark -k -i -', 'into Wireshark, as they come'],
        ['nsm capture web-1 --at underlay -w web.pcapng', "its tunnel's packets, into a file"],
        ["nsm capture web-1 --filter 'tcp port 80' --count 100", 'the first hundred that a filter takes'],
      ),
    )
    .action(async (connection: string, flags: CaptureFlags) => {
      const { runCapture } = await import('./handler.js');
      await runCapture(connection, flags);
    });
}

function parsePlace(text: string): CaptureWord {
  const word = captureWords.find((known) => known === text);
  if (word) return word;
  throw new InvalidArgumentError(`Write one or several of ${captureWords.join(', ')}.`);
}
