// Reports as text: aligned columns, colour only where a terminal shows them.
import type { Output, Style } from '@nsm/output';
import { answered, type ConnectionRow, carries, type LabReport, type RoundTrip } from './measure/report.js';

const header = ['CLIENT', 'SERVICE', 'ENDPOINT', 'NODE', 'INTERFACE', 'TUNNEL', 'ADDRESS', 'MTU', 'RTT'];

/** The table of a lab, then its checks, then what is wrong. */
export function printReport(output: Output, report: LabReport): void {
  const streams = report.connections.some((row) => row.throughput !== null);
  const rows = report.connections.map((row) => [
    row.client,
    row.service,
    row.endpoint ?? '-',
    row.endpointNode && row.endpointNode !== row.node ? `${row.node} → ${row.endpointNode}` : row.node,
    interfaceOf(row),
    row.tunnel ?? '-',
    row.addresses.join(' ') || '-',
    row.mtu === null ? '-' : String(row.mtu),
    slowest(row.there),
    ...(streams ? [row.throughput === null ? '-' : formatBitRate(row.throughput)] : []),
    output.paint(styleOf(row), stateOf(row)),
  ]);
  output.table([...header, ...(streams ? ['THROUGHPUT'] : []), 'STATE'], rows, 'no clients');
  for (const check of report.checks) {
    const mark = check.ok ? output.paint('green', '✓') : output.paint('red', '×');
    const outcome = check.ok ? slowest(check.roundTrips) : 'no answer';
    output.line(`${mark} ${check.from} → ${check.to}: ${outcome}`);
  }
  for (const row of report.connections.filter((row) => !carries(row))) {
    const mark = row.notHere ? output.paint('dim', '-') : output.paint('red', '×');
    output.lines(`${mark} ${row.client} → ${row.service}: ${row.detail}`);
  }
}

/** The name in the pod; of other types than KERNEL also the type, and the endpoint's where it differs. */
function interfaceOf({
  interface: name,
  interfaceType: type,
  endpointInterfaceType: other,
}: ConnectionRow): string {
  if (type === null) return name ?? '-';
  const types = other === null || other === type ? type : `${type} to ${other}`;
  return [...(types === 'KERNEL' ? [] : [types]), ...(name === null ? [] : [name])].join(' ');
}

const stateOf = (row: ConnectionRow): string =>
  row.notHere ? 'NOT HERE' : row.state === 'UP' && !carries(row) ? 'NO PACKETS' : row.state;

const styleOf = (row: ConnectionRow): Style => (row.notHere ? 'dim' : carries(row) ? 'green' : 'red');

/** Several addresses are measured apart; the table has room for one. */
function slowest(trips: readonly RoundTrip[]): string {
  if (!answered(trips)) return '-';
  return formatMicroseconds(Math.max(...trips.map(({ microseconds }) => microseconds ?? 0)));
}

/** `8.2 Gbit/s`, `120 Mbit/s`. */
function formatBitRate(value: number): string {
  return value < 1e9 ? `${Math.round(value / 1e6)} Mbit/s` : `${(value / 1e9).toFixed(1)} Gbit/s`;
}

/** `47 µs`, `1.35 ms`, `1.20 s`. */
export function formatMicroseconds(value: number): string {
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(2)} ms`;
  return `${(value / 1_000_000).toFixed(2)} s`;
}
