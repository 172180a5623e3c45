// The connections of this node: where each leads and how it is, and with `-o wide` what went through it.
import { type Output, orDash } from '@nsm/output';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { shortNumber } from '@nsm/views/short-number';
import { ageText, pathText, roundTripText, stateText } from '@nsm/views/texts';
import type { AdminClient } from '../../managers/admin-client.js';
import type { GetFlags } from './flags.js';

export async function listConnections(admin: AdminClient, output: Output, flags: GetFlags): Promise<void> {
  const wide = flags.output === 'wide';
  const { connections } = await admin.listConnections({ roundTrips: wide });
  const views = connections.map(connectionView).filter((view) => isWanted(view, flags));
  if (output.json) return output.value(views);
  const columns = wide ? [...where, ...counters, ...how] : [...where, ...how];
  output.wideTable(
    columns.map(([title]) => title),
    views.map((view) => columns.map(([, text]) => orDash(text(view, output)))),
    connections.length > 0 ? 'no such connections' : 'no connections',
  );
}

export function isWanted(
  view: ConnectionView,
  { service, state }: Pick<GetFlags, 'service' | 'state'>,
): boolean {
  return (
    (service === undefined || view.service === service) && (state.length === 0 || state.includes(view.state))
  );
}

type Column = readonly [title: string, text: (view: ConnectionView, output: Output) => string];

const where: readonly Column[] = [
  ['ID', ({ id }) => id],
  ['SERVICE', ({ service }) => service],
  ['REQUEST ID', ({ requestId }) => requestId],
  ['ROLE', ({ role }) => role],
  ['ENDPOINT', ({ endpoint }) => endpoint],
  ['PEER', ({ peerManager }) => peerManager],
  [
    'INTERFACE',
    (view) => [sideOf(view).interfaceName, view.interface].filter((part) => part !== '').join(':'),
  ],
  ['ADDRESS', (view) => sideOf(view).addresses.join(',')],
  ['PATH', pathText],
];

const counters: readonly Column[] = [
  ['RTT', ({ roundTripUs }) => roundTripText(roundTripUs)],
  ['RX', ({ statistics }) => bytes(statistics?.receivedBytes)],
  ['TX', ({ statistics }) => bytes(statistics?.sentBytes)],
  [
    'DROPS',
    ({ statistics }, output) => {
      if (!statistics) return '';
      const drops = statistics.receivedDrops + statistics.sentDrops;
      return drops > 0 ? output.paint('red', shortNumber(drops)) : '0';
    },
  ],
  ['HEALS', ({ heals }) => String(heals)],
];

const how: readonly Column[] = [
  ['AGE', ({ knownSince, since }) => ageText(knownSince ?? since, Date.now())],
  ['STATE', (view, output) => stateText(view, output.state(view.state))],
];

function sideOf({ role, client, endpointSide }: ConnectionView): ConnectionView['client'] {
  return role === 'ENDPOINT' ? endpointSide : client;
}

function bytes(count: number | undefined): string {
  return count === undefined ? '' : `${shortNumber(count)}B`;
}
