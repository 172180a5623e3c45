// Looks at the counters of all connections again and again, and shows their rates.
import { setTimeout as pause } from 'node:timers/promises';
import { Output } from '@nsm/output';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { bitRate, shortNumber } from '@nsm/views/short-number';
import { counted } from '@nsm/views/texts';
import { interrupted } from '../../interrupted.js';
import { type AdminClient, withAdmin } from '../../managers/admin-client.js';
import type { TopFlags } from './flags.js';
import { QuitKey } from './quit-key.js';
import { type RateView, ratesOf, sorted } from './rates.js';

interface Look {
  readonly at: number;
  readonly connections: readonly ConnectionView[];
}

export async function runTop({ runDir, json, interval, count, sort }: TopFlags): Promise<void> {
  const output = new Output(json === true);
  const signal = interrupted();
  using _screen = output.json ? undefined : output.screen();
  using key = new QuitKey(output.live && !output.json);
  const over = AbortSignal.any([signal, key.signal]);
  await withAdmin(runDir, async (admin) => {
    let before = await look(admin);
    for (let shown = 0; shown < (count ?? Number.POSITIVE_INFINITY); shown++) {
      await pause(interval, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
      const after = await look(admin);
      const rates = sorted(ratesOf(before.connections, after.connections, after.at - before.at), sort);
      if (output.json) output.value({ time: new Date().toISOString(), connections: rates });
      else print(output, rates);
      before = after;
    }
  });
}

async function look(admin: AdminClient): Promise<Look> {
  const { connections } = await admin.listConnections({});
  return { at: performance.now(), connections: connections.map(connectionView) };
}

function print(output: Output, rates: readonly RateView[]): void {
  const total = (read: (rate: RateView) => number): string =>
    bitRate(rates.reduce((sum, rate) => sum + read(rate), 0));
  output.home();
  output.item(
    '',
    `${new Date().toISOString().slice(11, 19)}  ${counted(rates.length, 'connection')}  ` +
      `received ${total(({ receivedBits }) => receivedBits)}  sent ${total(({ sentBits }) => sentBits)}`,
  );
  output.line('');
  output.fittingTable(
    ['SERVICE', 'REQUEST ID', 'RX BIT/S', 'TX BIT/S', 'RX PKT/S', 'TX PKT/S', 'DROPS/S', 'STATE', 'ID'],
    rates
      .slice(0, output.rows === undefined ? undefined : Math.max(1, output.rows - 4))
      .map(
        ({ id, service, requestId, state, receivedBits, sentBits, receivedPackets, sentPackets, drops }) => [
          service,
          requestId,
          ...[receivedBits, sentBits, receivedPackets, sentPackets].map(shortNumber),
          drops > 0 ? output.paint('red', shortNumber(drops)) : '0',
          output.state(state),
          id,
        ],
      ),
    'no connections',
    ['ID', 'TX PKT/S', 'RX PKT/S', 'STATE', 'REQUEST ID'],
  );
}
