// Connects, prints what the manager gave, and with --hold stays for what becomes of it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { abbreviatedList, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { type Connection, type ConnectionEvent, connect, flushTraces } from '@nsm/sdk';
import { type ConnectionView, connectionView } from '@nsm/views/connection-view';
import { interfaceText } from '@nsm/views/texts';
import { defaultRunDir, labelsOf } from '../../flags/common-flags.js';
import { interrupted } from '../../interrupted.js';
import { withAdmin } from '../../managers/admin-client.js';
import type { ConnectFlags } from './flags.js';
import { showWaiting } from './waiting.js';

/** Milliseconds for what is nice to know but not needed. */
const niceMs = 500;

export async function runConnect(service: string, flags: ConnectFlags): Promise<void> {
  try {
    await connectAndPrint(service, flags);
  } finally {
    await flushTraces();
  }
}

async function connectAndPrint(service: string, flags: ConnectFlags): Promise<void> {
  const output = new Output(flags.json === true);
  if (flags.netns) (await import('../../enter-namespace.js')).enterNamespace(flags.netns);
  const signal = interrupted();
  const start = performance.now();
  const connection = await request(service, flags, output, signal);
  const elapsedMs = Math.round((performance.now() - start) * 100) / 100;
  const known = await managersView(flags.runDir, connection);
  if (output.json) output.value(connectedJson(connection, known, elapsedMs));
  else printConnected(output, connection, known, elapsedMs, flags);
  if (flags.hold) await hold(connection, output, signal);
}

/** @throws NsmError with an explanation in short where there is one. */
async function request(
  service: string,
  flags: ConnectFlags,
  output: Output,
  signal: AbortSignal,
): Promise<Connection> {
  using _waiting = showWaiting(output, service, flags);
  return await connect({
    service,
    requestId: flags.requestId,
    interfaces: flags.interface.length > 0 ? flags.interface : undefined,
    labels: labelsOf(flags.label),
    lifetime: flags.lifetime ?? (flags.hold ? 'process' : 'namespace'),
    runDir: flags.runDir,
    signal,
    timeoutMs: flags.timeout + flags.wait,
    waitMs: flags.wait,
    otlpEndpoint: flags.otlpEndpoint,
  }).catch(async (thrown: unknown) => {
    const { explained } = await import('./explain-refusal.js');
    throw await explained(NsmError.from(thrown), service, flags);
  });
}

/** What the SDK is not told: the endpoint and the tunnel. Only where the operator's socket can be opened. */
async function managersView(runDir: string, connection: Connection): Promise<ConnectionView | undefined> {
  if (!existsSync(join(runDir, 'admin.sock'))) return undefined;
  try {
    const { connections } = await withAdmin(runDir, (admin) =>
      admin.listConnections({}, { timeoutMs: niceMs }),
    );
    // Another pod may have a connection to the same service under the same request id.
    return connections.map(connectionView).find(({ id }) => id === connection.id);
  } catch {
    return undefined;
  }
}

function connectedJson(connection: Connection, known: ConnectionView | undefined, elapsedMs: number): object {
  return {
    service: connection.service,
    requestId: connection.requestId,
    ...detailsJson(connection),
    ...(known ? { endpoint: known.endpoint, endpointManager: known.peerManager, tunnel: known.tunnel } : {}),
    elapsedMs,
  };
}

function detailsJson(details: ConnectionEvent['details']): object {
  const { id, interfaceName, interfaceParameters, address, addresses, peerAddresses, routes, dns, mtu, mac } =
    details;
  return {
    id,
    interface: details.interface,
    interfaceName,
    interfaceParameters,
    address,
    addresses,
    peerAddresses,
    routes,
    dns,
    mtu,
    mac,
  };
}

function printConnected(
  output: Output,
  connection: Connection,
  known: ConnectionView | undefined,
  elapsedMs: number,
  flags: Pick<ConnectFlags, 'runDir' | 'hold' | 'netns'>,
): void {
  output.line(
    `${output.paint('green', 'connected')} to ${output.paint('bold', connection.service)} in ${elapsedMs.toFixed(1)} ms`,
  );
  const tunnel = known?.tunnel;
  output.list([
    ['interface', interfaceText(connection.interfaceName, connection.interface)],
    ['address', connection.addresses.join(', ')],
    ['peer', connection.peerAddresses.join(', ')],
    ['routes', abbreviatedList(connection.routes)],
    ['dns', connection.dns.servers.join(', ')],
    ['mtu', connection.mtu > 0 ? String(connection.mtu) : ''],
    ['endpoint', known ? [known.endpoint, known.peerManager && `on ${known.peerManager}`].join(' ') : ''],
    ['tunnel', tunnel ? `${tunnel.type} ${tunnel.identifier} to ${tunnel.remote}` : ''],
    ...Object.entries(connection.interfaceParameters),
    ['request id', connection.requestId],
  ]);
  if (!flags.hold)
    output.line(
      output.paint(
        'dim',
        ['disconnect with: nsm disconnect', connection.service, '--request-id', connection.requestId]
          .concat(flags.netns ? ['--netns', flags.netns] : [])
          .concat(flags.runDir === defaultRunDir ? [] : ['--run-dir', flags.runDir])
          .join(' '),
      ),
    );
}

async function hold(connection: Connection, output: Output, signal: AbortSignal): Promise<void> {
  let closedByManager: string | undefined;
  signal.addEventListener('abort', () => {
    // The failure is thrown by the close() that is awaited below.
    connection.close().catch(() => undefined);
  });
  let first = true;
  for await (const event of connection.events()) {
    if (event.kind === 'closed' && !signal.aborted) closedByManager = event.reason;
    else if (!first && !signal.aborted) printEvent(output, event);
    first = false;
  }
  await connection.close();
  if (closedByManager !== undefined)
    throw new NsmError(
      'manager-refused',
      `the connection was closed: ${closedByManager || 'no reason given'}`,
    );
  if (output.json)
    output.value({ event: 'closed', reason: 'closed by the client', ...detailsJson(connection) });
  else output.line('closed');
}

function printEvent(output: Output, { kind, reason, details }: ConnectionEvent): void {
  if (output.json) output.value({ event: kind, reason, ...detailsJson(details) });
  else
    output.line(
      [output.state(kind), kind === 'up' ? details.addresses.join(', ') : '', reason]
        .filter((part) => part !== '')
        .join('  '),
    );
}
