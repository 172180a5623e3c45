// Has the managers measure, and tells what they measured.
import { type forwarder as fw, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { bitRate } from '@nsm/views/short-number';
import { withAdmin } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import type { BenchFlags } from './flags.js';

/** Milliseconds that are allowed for beside the four measurements. */
const patienceMs = 30_000;

export async function runBench(name: string, { runDir, json, duration }: BenchFlags): Promise<void> {
  const output = new Output(json === true);
  await withAdmin(runDir, async (client) => {
    const { id } = await findConnection(client, name);
    if (!output.json) output.draft(`measuring for ${((4 * duration) / 1000).toFixed(1)} s …`);
    const request = { id, durationMs: duration };
    const { path, from, report } = await client.benchConnection(request, {
      timeoutMs: 4 * duration + patienceMs,
    });
    output.clear();
    if (!report) throw new NsmError('internal', 'nothing was measured');
    const view = { id, path, from, ...viewOf(report) };
    if (output.json) return output.value(view);
    const { roundTripMs, echoes, tcpSentBits, tcpReceivedBits, udp } = view;
    output.line(`via ${path}, from the ${from}`);
    output.list([
      [
        'round trip',
        `least ${ms(roundTripMs.least)}, median ${ms(roundTripMs.median)}, 99 % ${ms(roundTripMs.p99)}, most ${ms(roundTripMs.most)}; ${echoes.lost} of ${echoes.sent} lost`,
      ],
      ['TCP sent', bitRate(tcpSentBits)],
      ['TCP received', bitRate(tcpReceivedBits)],
      [
        'UDP sent',
        `${bitRate(udp.receivedBits)} came to the other side; ${udp.lostPackets} of ${udp.sentPackets} packets lost (${udp.lossPercent} %)`,
      ],
    ]);
  });
}

function viewOf(report: fw.BenchReport) {
  const { leastUs, medianUs, p99Us, mostUs, echoesSent, echoesLost } = report;
  const { tcpSentBits, tcpReceivedBits, udpReceivedBits, udpSentPackets, udpLostPackets } = report;
  const loss = udpSentPackets > 0 ? (100 * udpLostPackets) / udpSentPackets : 0;
  return {
    roundTripMs: { least: leastUs / 1000, median: medianUs / 1000, p99: p99Us / 1000, most: mostUs / 1000 },
    echoes: { sent: echoesSent, lost: echoesLost },
    tcpSentBits,
    tcpReceivedBits,
    udp: {
      receivedBits: udpReceivedBits,
      sentPackets: udpSentPackets,
      lostPackets: udpLostPackets,
      lossPercent: Math.round(10 * loss) / 10,
    },
  };
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
