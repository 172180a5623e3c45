// What is to be measured of one client: its row of the table, without packets yet, and who sends and answers them.
import { type admin, type forwarder as fw, InterfaceType, TunnelType, traitsOf } from '@nsm/api';
import type { ClientPlan, EndpointPlan, Plan } from '../plan/plan.js';
import type { Application } from '../pods/applications.js';
import type { Found } from './node-view.js';
import type { ConnectionRow } from './report.js';

export interface Subject {
  readonly row: ConnectionRow;
  readonly client: ClientPlan;
  /** Undefined where the endpoint is none of the lab's. */
  readonly endpoint: EndpointPlan | undefined;
  /** What has to run in those of the two pods that have a socket and no device. */
  readonly applications: readonly Application[];
}

/** @param failure why the client's program failed. */
export function subjectOf(
  plan: Plan,
  client: ClientPlan,
  found: ReadonlyMap<string, Found>,
  failure: string | undefined,
): Subject {
  const node = found.get(client.node);
  const connection = node?.connections.find((one) => isOf(client, one) && one.role !== 'ENDPOINT');
  if (!connection) {
    const why = failure || node?.error || `${client.node} has no such connection`;
    return { row: withoutConnection(client, why), client, endpoint: undefined, applications: [] };
  }
  const endpoint = plan.endpoints.find(
    ({ provider, service }) =>
      provider === connection.nseProviderName && service === connection.networkServiceName,
  );
  const half = found
    .get(connection.peerManager)
    ?.connections.find((one) => isOf(client, one) && one.role === 'ENDPOINT');
  const ports = {
    client: connection.crossConnect?.client,
    endpoint: connection.crossConnect?.endpoint ?? half?.crossConnect?.endpoint,
  };
  // The application that listens comes first.
  const sides = [
    { place: endpoint, port: ports.endpoint },
    { place: client, port: ports.client },
  ];
  return {
    row: rowOf(client, connection, ports),
    client,
    endpoint,
    applications: sides.flatMap(({ place, port }) =>
      place && port && traitsOf(port.type).sharedMemory ? [{ place, port }] : [],
    ),
  };
}

function isOf(client: ClientPlan, { requestId, networkServiceName }: admin.Connection): boolean {
  return requestId === client.requestId && networkServiceName === client.service;
}

function rowOf(
  client: ClientPlan,
  connection: admin.Connection,
  {
    client: port,
    endpoint: other,
  }: { readonly client: fw.Port | undefined; readonly endpoint: fw.Port | undefined },
): ConnectionRow {
  const mine = connection.connectionParameters;
  const tunnel = connection.crossConnect?.tunnel;
  return {
    ...withoutConnection(client, connection.detail),
    endpoint: connection.nseProviderName || null,
    endpointNode: connection.peerManager || client.node,
    interface: mine?.interfaceName || port?.name || null,
    interfaceType: typeName(connection.interface?.type),
    endpointInterfaceType: typeName(other?.type),
    tunnel: tunnel ? `${nameOf(TunnelType, tunnel.type)} ${tunnel.identifier}` : null,
    addresses: nonEmpty(mine?.addresses, mine?.address ? [mine.address] : [], port?.addresses),
    peerAddresses: nonEmpty(mine?.peerAddresses, port?.peerAddresses),
    mtu: mine?.mtu || port?.mtu || null,
    state: connection.state,
    notHere: false,
  };
}

/** Refusals that say what this machine lacks: docs/errors.md. */
const lacks = /\(NSM0(202|301|302)\)/;

const withoutConnection = (client: ClientPlan, detail: string): ConnectionRow => ({
  client: client.member,
  requestId: client.requestId,
  service: client.service,
  endpoint: null,
  node: client.node,
  endpointNode: null,
  interface: null,
  interfaceType: null,
  endpointInterfaceType: null,
  tunnel: null,
  addresses: [],
  peerAddresses: [],
  mtu: null,
  there: [],
  back: [],
  throughput: null,
  state: 'FAILED',
  notHere: client.optional && lacks.test(detail),
  detail,
});

const typeName = (type: InterfaceType | undefined): string | null =>
  type === undefined ? null : nameOf(InterfaceType, type).replace('_INTERFACE', '');

/** What the contract calls a value of one of its enums. */
const nameOf = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.entries(names).find(([, each]) => each === value)?.[0] ?? String(value);

const nonEmpty = (...lists: (readonly string[] | undefined)[]): readonly string[] =>
  lists.find((list) => list && list.length > 0) ?? [];
