// A connection by its id, or all that came of a request: state, both sides, counters and history.
import { abbreviatedList } from '@nsm/api';
import { type Output, orDash } from '@nsm/output';
import type { AdminClient } from '../../admin-client.js';
import { stateText } from '../../view-texts.js';
import { type ConnectionView, connectionView, type SideView } from '../../views.js';
import { notFound } from './not-found.js';

export async function describeConnection(admin: AdminClient, output: Output, name: string): Promise<void> {
  const views = (await admin.listConnections({})).connections.map(connectionView);
  const found = views.filter((view) => view.id === name || view.requestId === name);
  if (found.length === 0)
    throw notFound(
      'connection',
      name,
      views.map(({ id }) => id),
    );
  if (output.json) return output.value(found.length === 1 ? found[0] : found);
  found.forEach((view, index) => {
    if (index > 0) output.line('');
    printConnection(output, view);
    output.line('');
    output.table(
      ['TIME', 'STATE', 'WHY'],
      view.history.map(({ time, state, detail }) => [time ?? '', output.state(state), orDash(detail)]),
      'no history',
    );
  });
}

function printConnection(output: Output, view: ConnectionView): void {
  const { tunnel, statistics } = view;
  output.list(
    [
      ['connection', view.id],
      ['state', stateText(view, output.state(view.state))],
      ['since', view.since ?? ''],
      ['service', view.service],
      ['request id', view.requestId],
      ['role', view.role],
      ['endpoint', `${view.endpointNamespace}/${view.endpoint}`],
      ['peer manager', view.peerManager],
      ['interface type', view.interface],
      ...sideEntries('client', view.client),
      ...sideEntries('endpoint', view.endpointSide),
      [
        'tunnel',
        tunnel
          ? `${tunnel.type} ${tunnel.identifier}, ${tunnel.local} to ${tunnel.remote}${tunnel.port ? `, port ${tunnel.port}` : ''}`
          : '',
      ],
      [
        'received',
        statistics &&
          `${statistics.receivedPackets} packets, ${statistics.receivedBytes} bytes, ${statistics.receivedDrops} dropped`,
      ],
      [
        'sent',
        statistics &&
          `${statistics.sentPackets} packets, ${statistics.sentBytes} bytes, ${statistics.sentDrops} dropped`,
      ],
      [
        'drops',
        Object.entries(statistics?.drops ?? {})
          .map(([reason, count]) => `${count} ${reason}`)
          .join('; '),
      ],
    ].map(([name = '', value]) => [name ?? '', value ?? undefined]),
  );
}

function sideEntries(side: string, view: SideView): [string, string][] {
  const device = [view.interfaceName, view.mac, view.mtu > 0 ? `MTU ${view.mtu}` : '']
    .filter((part) => part !== '')
    .join(', ');
  return [
    [`${side} interface`, device],
    [`${side} namespace`, view.namespace],
    [`${side} address`, view.addresses.join(', ')],
    [`${side} routes`, abbreviatedList(view.routes, ', ', view.routeCount)],
    [`${side} dns`, view.dns.join(', ')],
  ];
}
