// Shows what the manager recorded of the last request, and what it sees of packets that it sends.
import { type admin, NsmError } from '@nsm/api';
import { Output, orDash } from '@nsm/output';
import { orderView } from '@nsm/views/connection-view';
import { orderText } from '@nsm/views/texts';
import { withAdmin } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import type { TraceFlags } from './flags.js';
import { waterfall } from './waterfall.js';

/** Columns of a terminal in which all steps have room beside a long scale, and beside a short one. */
const [usualColumns, narrowColumns] = [100, 72];

export async function runTrace(name: string, { runDir, json }: TraceFlags): Promise<void> {
  const output = new Output(json === true);
  const { connection, trace } = await withAdmin(runDir, async (client) => {
    const connection = await findConnection(client, name);
    if (!output.json) printOrder(output, connection.lastOrder);
    return { connection, trace: await client.traceConnection({ id: connection.id }) };
  });
  if (output.json) output.value(viewOf(connection, trace));
  else printTrace(output, trace);
  const lost = trace.packets.find(({ answered }) => !answered);
  if (lost) throw new NsmError('no-packets', `a packet of ${lost.size} bytes got lost: ${lost.lost}`);
}

function printOrder(output: Output, order: admin.Order | undefined): void {
  if (!order) {
    output.line('its last request was before the last restart of the manager');
    return;
  }
  const { durationMs, steps, traceId, error, underWay } = order;
  output.item('', `${orderText(orderView(order))}, trace ${traceId}`);
  if (error !== '') output.item('', output.paint('red', error));
  const bars = waterfall(steps, durationMs, output.columns < usualColumns ? 14 : 32);
  output.fittingTable(
    ['WHEN', 'MS', 'ON', 'BY', 'STEP'],
    steps.map(({ name, manager, component, durationMs: took, error: failure }, index) => [
      `|${bars[index]}|`,
      took.toFixed(2),
      manager,
      component,
      failure === '' ? name : `${name}: ${output.paint('red', failure)}`,
    ]),
    underWay ? 'no step has begun' : 'no steps',
    output.columns < narrowColumns ? ['WHEN'] : [],
  );
  output.line('');
}

function printTrace(output: Output, { path, packets, reasons, unwatched }: admin.TraceConnectionReply): void {
  output.line(`via ${path}`);
  for (const { size, hops, answered, lost } of packets) {
    output.item(
      `packet of ${size} bytes: `,
      `${answered ? output.paint('green', 'answered') : output.paint('red', `lost: ${lost}`)}`,
    );
    output.table(
      ['MS', 'NODE', 'PLACE', 'DEVICE', '', 'WHAT'],
      hops.map(({ afterMs, manager, place, interface: device, outgoing, what }) => [
        afterMs.toFixed(3),
        manager,
        place,
        orDash(device),
        outgoing ? 'out' : 'in',
        what,
      ]),
      'seen nowhere',
    );
  }
  for (const { place, manager, missing } of unwatched)
    output.item('not watched: ', `${place} on ${manager}: ${missing}`);
  if (reasons.length > 0) output.line('why, the likeliest first:');
  for (const reason of reasons) output.item('- ', reason);
}

function viewOf(
  { id, lastOrder }: admin.Connection,
  { path, packets, reasons, unwatched }: admin.TraceConnectionReply,
): object {
  return {
    id,
    path,
    lastRequest: lastOrder && {
      kind: lastOrder.kind,
      traceId: lastOrder.traceId,
      durationMs: lastOrder.durationMs,
      error: lastOrder.error,
      steps: lastOrder.steps.map(({ name, manager, component, startMs, durationMs, error }) => ({
        name,
        manager,
        component,
        startMs,
        durationMs,
        error,
      })),
    },
    packets: packets.map(({ size, answered, lost, hops }) => ({
      size,
      answered,
      lost,
      hops: hops.map(({ place, manager, interface: device, outgoing, answer, what, afterMs }) => ({
        place,
        manager,
        device,
        direction: outgoing ? 'out' : 'in',
        answer,
        what,
        afterMs,
      })),
    })),
    reasons,
    unwatched: unwatched.map(({ place, manager, missing }) => ({ place, manager, missing })),
  };
}
