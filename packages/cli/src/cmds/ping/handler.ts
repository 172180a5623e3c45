// Has the manager send, round after round, and tells what came back.
import { setTimeout as pause } from 'node:timers/promises';
import { type admin, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { interrupted } from '../../interrupted.js';
import { withAdmin } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import type { PingFlags } from './flags.js';
import { summaryOf } from './summary.js';

export async function runPing(name: string, flags: PingFlags): Promise<void> {
  const { runDir, json, count = Number.POSITIVE_INFINITY, interval, timeout, size = 0 } = flags;
  const output = new Output(json === true);
  const signal = interrupted();
  const times: (number | undefined)[] = [];
  let lost = '';
  await withAdmin(runDir, async (client) => {
    const { id } = await findConnection(client, name);
    for (let round = 0; round < count && !signal.aborted; round++) {
      if (round > 0) await pause(interval, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      const reply = await client.pingConnection({ id, timeoutMs: timeout, size }, { timeoutMs: 30_000 });
      times.push(reply.through?.answered ? reply.through.roundTripMs : undefined);
      if (reply.lost !== '') lost = reply.lost;
      if (output.json) output.value(viewOf(round + 1, reply));
      else
        output.item(
          `${round + 1}  `,
          `via ${reply.path}: ${[reply.through, reply.underlay].flatMap(legText(output)).join('; ')}`,
        );
    }
    if (output.json) output.value({ id, ...summaryOf(times) });
    else printSummary(output, times);
  });
  if (times.length > 0 && times.every((time) => time === undefined))
    throw new NsmError('no-packets', `no packet came through: ${lost}`);
  if (lost !== '' && !output.json) output.item('lost: ', lost);
}

function legText(output: Output): (leg: admin.PingLeg | undefined) => string[] {
  return (leg) => {
    if (!leg) return [];
    const { from, to, method, answered, roundTripMs } = leg;
    const time = answered
      ? `${milliseconds(roundTripMs)} (${method})`
      : output.paint('red', `no answer (${method})`);
    return [`${from} to ${to} ${time}`];
  };
}

function printSummary(output: Output, times: readonly (number | undefined)[]): void {
  const { sent, received, lossPercent, leastMs, medianMs, mostMs } = summaryOf(times);
  const spread =
    received > 0
      ? `; least ${milliseconds(leastMs)}, median ${milliseconds(medianMs)}, most ${milliseconds(mostMs)}`
      : '';
  output.item('', `${sent} sent, ${received} came back, ${lossPercent} % lost${spread}`);
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;
}

function viewOf(round: number, { path, through, underlay, lost }: admin.PingConnectionReply): object {
  return { round, path, through: legView(through), underlay: legView(underlay), lost };
}

function legView(leg: admin.PingLeg | undefined): object | undefined {
  if (!leg) return undefined;
  const { from, to, method, answered, roundTripMs } = leg;
  return { from, to, method, answered, ...(answered ? { roundTripMs } : {}) };
}
