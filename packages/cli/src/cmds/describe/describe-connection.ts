// A connection by its id, or all that came of a request: wanted against actual, counters, history, and the steps of its last order.
import { abbreviatedList, NsmError } from '@nsm/api';
import { type Output, orDash } from '@nsm/output';
import {
  type ConnectionView,
  connectionView,
  type OrderView,
  type SideView,
} from '@nsm/views/connection-view';
import { ageText, mendNarrow, millisecondsText, orderText, roundTripText, stateText } from '@nsm/views/texts';
import type { AdminClient } from '../../managers/admin-client.js';
import { namedConnections } from '../../managers/find-connection.js';

export async function describeConnection(admin: AdminClient, output: Output, name: string): Promise<void> {
  const views = (await admin.listConnections({})).connections.map(connectionView);
  const compared = await Promise.all(
    namedConnections(views, name).map(async (view) => ({ ...view, ...(await differencesOf(admin, view)) })),
  );
  if (output.json) return output.value(compared.length === 1 ? compared[0] : compared);
  compared.forEach((view, index) => {
    if (index > 0) output.line('');
    printConnection(output, view);
    output.line('');
    printHistory(output, view);
    if (view.lastOrder) {
      output.line('');
      printOrder(output, view.lastOrder);
    }
  });
}

/** A connection, and what the kernel has other than it wants. */
interface Compared extends ConnectionView {
  /** None: all is as wanted. Null: it could not be looked at. */
  readonly differences: readonly string[] | null;
  /** Why not. */
  readonly notCompared: string;
}

async function differencesOf(
  admin: AdminClient,
  { id }: ConnectionView,
): Promise<Pick<Compared, 'differences' | 'notCompared' | 'roundTripUs'>> {
  try {
    const { differences, roundTripUs } = await admin.compareConnection({ id });
    return { differences, notCompared: '', roundTripUs: roundTripUs || null };
  } catch (thrown) {
    return { differences: null, notCompared: NsmError.from(thrown).message, roundTripUs: null };
  }
}

function kernelText(output: Output, { differences, notCompared, state }: Compared): string {
  if (differences === null) return output.paint('red', `could not be looked at: ${notCompared}`);
  if (differences.length === 0)
    return state === 'SYNCED'
      ? `${output.state('SYNCED')}: it has what the connection wants`
      : 'nothing is missing on this node: what is wrong is elsewhere';
  return `${output.state('STALE')}: it lacks ${differences.join(', ')}`;
}

function printHistory(output: Output, { history }: ConnectionView): void {
  output.table(
    ['TIME', 'STATE', 'FOR', 'WHY'],
    history.map(({ time, state, detail, durationMs }) => [
      time ?? '',
      output.state(state),
      durationMs === null ? `${ageText(time, Date.now())}, now` : millisecondsText(durationMs),
      orDash(detail),
    ]),
    'no history',
  );
}

function printOrder(output: Output, order: OrderView): void {
  const { error, underWay, steps } = order;
  output.line(`${orderText(order)}${error ? `; ${output.paint('red', error)}` : ''}`);
  output.table(
    ['AFTER', 'TOOK', 'BY', 'STEP'],
    steps.map(({ name, manager, component, startMs, durationMs: own, error: why }) => [
      millisecondsText(startMs),
      millisecondsText(own),
      [component, manager && `on ${manager}`].filter(Boolean).join(' '),
      why ? `${name}: ${output.paint('red', why)}` : name,
    ]),
    underWay ? 'no step has begun' : 'no steps',
  );
}

function printConnection(output: Output, view: Compared): void {
  const { tunnel, statistics } = view;
  output.list(
    [
      ['connection', view.id],
      ['state', stateText(view, output.state(view.state))],
      ['what to do', mendNarrow(view)],
      ['since', view.since ?? ''],
      ['kernel', kernelText(output, view)],
      ['known since', view.knownSince ?? ''],
      ['heals', `${view.heals} since then`],
      ['round trip', roundTripText(view.roundTripUs)],
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
