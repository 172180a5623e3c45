// Reports as text: aligned columns, colour only where a terminal shows them.
import { styleText } from 'node:util';
import {
  answered,
  type Checked,
  type ConnectionRow,
  carries,
  type LabReport,
  type RoundTrip,
} from './report.js';

type Style = 'green' | 'red' | 'dim' | 'bold';
export type Paint = (style: Style, text: string) => string;

/** Colours for a terminal, nothing for a file or a pipe. */
export const paintFor = (terminal: boolean): Paint =>
  // The stream was judged already: `validateStream` would look at the process's own stdout.
  terminal ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;

/** Columns of equal width, two spaces between them. */
export function alignColumns(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [paint('bold', line(header)), ...rows.map(line)].map((text) => `${text}\n`).join('');
}

const header = ['CLIENT', 'SERVICE', 'ENDPOINT', 'NODE', 'INTERFACE', 'TUNNEL', 'ADDRESS', 'MTU', 'RTT'];

/** The table of a lab, then its checks, then what is wrong. */
export function formatReport(report: LabReport, paint: Paint): string {
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
    stateOf(row),
  ]);
  const table = alignColumns([...header, ...(streams ? ['THROUGHPUT'] : []), 'STATE'], rows, paint).split(
    '\n',
  );
  // The state is the last column: colour cannot disturb the alignment.
  const coloured = table.map((line, index) => {
    const row = report.connections[index - 1];
    if (!row) return line;
    const state = stateOf(row);
    const style = row.notHere ? 'dim' : carries(row) ? 'green' : 'red';
    return `${line.slice(0, -state.length)}${paint(style, state)}`;
  });
  const checks = report.checks.map((check) => checkLine(check, paint));
  const failures = report.connections
    .filter((row) => !carries(row))
    .map((row) => {
      const mark = row.notHere ? paint('dim', '-') : paint('red', '×');
      return `${mark} ${row.client} → ${row.service}: ${row.detail}\n`;
    });
  return [coloured.join('\n'), ...checks, ...failures].join('');
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

function checkLine(check: Checked, paint: Paint): string {
  const mark = check.ok ? paint('green', '✓') : paint('red', '×');
  return `${mark} ${check.from} → ${check.to}: ${check.ok ? slowest(check.roundTrips) : 'no answer'}\n`;
}

/** Several addresses are measured apart; the table has room for one. */
function slowest(trips: readonly RoundTrip[]): string {
  if (!answered(trips)) return '-';
  return formatMicroseconds(Math.max(...trips.map(({ microseconds }) => microseconds ?? 0)));
}

/** `8.2 Gbit/s`, `120 Mbit/s`. */
export function formatBitRate(value: number): string {
  return value < 1e9 ? `${Math.round(value / 1e6)} Mbit/s` : `${(value / 1e9).toFixed(1)} Gbit/s`;
}

/** `47 µs`, `1.35 ms`, `1.20 s`. */
export function formatMicroseconds(value: number): string {
  if (value < 1000) return `${Math.round(value)} µs`;
  if (value < 1_000_000) return `${(value / 1000).toFixed(2)} ms`;
  return `${(value / 1_000_000).toFixed(2)} s`;
}
