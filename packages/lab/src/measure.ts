// The report of a lab that is up: each client's connection as its manager sees it, and packets sent through it.
import { type admin, InterfaceType, NsmError, TunnelType } from '@nsm/api';
import { NodeView } from './node-view.js';
import { ping } from './ping.js';
import type { ClientPlan, EndpointPlan, Plan } from './plan.js';
import {
  answered,
  type Checked,
  type ConnectionRow,
  carries,
  type LabReport,
  type RoundTrip,
} from './report.js';
import { throughput } from './throughput.js';

/** Pings at once: more would measure each other. */
const atOnce = 2;

/** `failures` says why clients have no connection, by the name of the client's program. */
export async function measureLab(
  plan: Plan,
  signal: AbortSignal,
  failures: ReadonlyMap<string, string> = new Map(),
): Promise<LabReport> {
  const views = plan.managers.map((manager) => new NodeView(manager));
  try {
    const found = new Map<
      string,
      { readonly connections: readonly admin.Connection[]; readonly error: string }
    >();
    await Promise.all(
      views.map(async (view) => {
        const answer = await view.connections(signal).then(
          (connections) => ({ connections, error: '' }),
          (thrown: unknown) => ({
            connections: [],
            error: `${view.manager.name}: ${NsmError.from(thrown).message}`,
          }),
        );
        found.set(view.manager.name, answer);
      }),
    );
    const answering = await inTurn(plan.clients, async (client) => {
      const node = found.get(client.node);
      const connection = node?.connections.find(
        ({ requestId, networkServiceName, role }) =>
          requestId === client.requestId && networkServiceName === client.service && role !== 'ENDPOINT',
      );
      const why = failures.get(client.name) || node?.error || `${client.node} has no such connection`;
      return connection
        ? await measureConnection(plan, client, connection, signal)
        : withoutConnection(client, why);
    });
    const connections = plan.throughput ? await withThroughput(plan, answering, signal) : answering;
    const checks = await inTurn(plan.checks, async ({ from, namespace, to, addresses }): Promise<Checked> => {
      const roundTrips = await pingAll({ name: from, namespace }, addresses, signal);
      return { from, to, roundTrips, ok: answered(roundTrips) };
    });
    const ok = connections.every(carries) && checks.every((check) => check.ok);
    return { lab: plan.name, ok, connections, checks };
  } finally {
    for (const view of views) view[Symbol.dispose]();
  }
}

async function measureConnection(
  plan: Plan,
  client: ClientPlan,
  connection: admin.Connection,
  signal: AbortSignal,
): Promise<ConnectionRow> {
  const mine = connection.connectionParameters;
  const port = connection.crossConnect?.client;
  const addresses = nonEmpty(mine?.addresses, mine?.address ? [mine.address] : [], port?.addresses);
  const peerAddresses = nonEmpty(mine?.peerAddresses, port?.peerAddresses);
  const endpoint = endpointOf(plan, connection.networkServiceName, connection.nseProviderName);
  const there = await pingAll({ name: client.member, namespace: client.namespace }, peerAddresses, signal);
  const back = endpoint
    ? await pingAll({ name: endpoint.member, namespace: endpoint.namespace }, addresses, signal)
    : [];
  const { tunnel } = connection.crossConnect ?? {};
  const row: ConnectionRow = {
    client: client.member,
    requestId: client.requestId,
    service: client.service,
    endpoint: connection.nseProviderName || null,
    node: client.node,
    endpointNode: connection.peerManager || client.node,
    interface: mine?.interfaceName || port?.name || null,
    interfaceType: connection.interface
      ? nameOf(InterfaceType, connection.interface.type).replace('_INTERFACE', '')
      : null,
    tunnel: tunnel ? `${nameOf(TunnelType, tunnel.type)} ${tunnel.identifier}` : null,
    addresses,
    peerAddresses,
    mtu: mine?.mtu || port?.mtu || null,
    there,
    back,
    throughput: null,
    state: connection.state,
    detail: connection.detail,
  };
  return carries(row) || row.detail ? row : { ...row, detail: unanswered(row) };
}

const endpointOf = (plan: Plan, service: string, name: string | null): EndpointPlan | undefined =>
  plan.endpoints.find((endpoint) => endpoint.provider === name && endpoint.service === service);

/** One stream at a time, through connections that carry packets at all. */
async function withThroughput(
  plan: Plan,
  rows: readonly ConnectionRow[],
  signal: AbortSignal,
): Promise<ConnectionRow[]> {
  const measured: ConnectionRow[] = [];
  for (const [index, row] of rows.entries()) {
    const client = plan.clients[index];
    const endpoint = endpointOf(plan, row.service, row.endpoint);
    const [address] = row.peerAddresses;
    if (!client || !endpoint || address === undefined || !carries(row)) {
      measured.push(row);
      continue;
    }
    const bits = await throughput(client, endpoint, address.split('/')[0] ?? '', signal);
    measured.push({ ...row, throughput: bits, detail: bits > 0 ? row.detail : 'no TCP stream got through' });
  }
  return measured;
}

function unanswered({ state, there, back, peerAddresses }: ConnectionRow): string {
  if (state !== 'UP') return `it is ${state}`;
  if (peerAddresses.length === 0) return 'the other side has no address to send packets to';
  const lost = [...there, ...back].filter(({ received }) => received === 0);
  return `no answer to ping of ${lost.map(({ what }) => what).join(', ')}`;
}

const withoutConnection = (client: ClientPlan, detail: string): ConnectionRow => ({
  client: client.member,
  requestId: client.requestId,
  service: client.service,
  endpoint: null,
  node: client.node,
  endpointNode: null,
  interface: null,
  interfaceType: null,
  tunnel: null,
  addresses: [],
  peerAddresses: [],
  mtu: null,
  there: [],
  back: [],
  throughput: null,
  state: 'FAILED',
  detail,
});

async function pingAll(
  from: { readonly name: string; readonly namespace: string },
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<RoundTrip[]> {
  const trips: RoundTrip[] = [];
  for (const address of addresses) trips.push(await ping(from, address.split('/')[0] ?? '', signal));
  return trips;
}

/** What the contract calls a value of one of its enums. */
const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(names).find(([, each]) => each === value)?.[0] ?? String(value);

const nonEmpty = (...lists: (readonly string[] | undefined)[]): readonly string[] =>
  lists.find((list) => list && list.length > 0) ?? [];

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += atOnce)
    results.push(...(await Promise.all(items.slice(first, first + atOnce).map(work))));
  return results;
}
