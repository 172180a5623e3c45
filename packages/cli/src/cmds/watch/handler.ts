// Follows the manager's connections until it is interrupted or the manager goes away.

import { admin, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { withAdmin } from '../../admin-client.js';
import { interrupted } from '../../interrupted.js';
import { pathText } from '../../view-texts.js';
import { connectionView } from '../../views.js';
import type { WatchFlags } from './flags.js';

const { PRESENT, CHANGED, REMOVED, SYNCED } = admin.ConnectionChange_Kind;
const kinds = new Map<number, string>([
  [PRESENT, 'present'],
  [CHANGED, 'changed'],
  [REMOVED, 'removed'],
  [SYNCED, 'synced'],
]);

export async function runWatch(flags: WatchFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const signal = interrupted();
  try {
    await withAdmin(flags.runDir, async (client) => {
      for await (const change of client.watchConnections({}, { signal })) printChange(output, change);
    });
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    return;
  }
  if (!signal.aborted) throw new NsmError('unavailable', 'the manager ended the watch');
}

function printChange(output: Output, change: admin.ConnectionChange): void {
  const kind = kinds.get(change.kind) ?? `kind ${change.kind}`;
  const time = new Date(
    change.time ? Number(change.time.seconds) * 1000 + change.time.nanos / 1e6 : Date.now(),
  );
  const view = change.connection ? connectionView(change.connection) : null;
  if (output.json) output.value({ kind, time: time.toISOString(), connection: view });
  // For people the end of the list is nothing to tell.
  if (output.json || view === null) return;
  const side = view.role === 'ENDPOINT' ? view.endpointSide : view.client;
  output.line(
    [
      output.paint('dim', time.toISOString().slice(11, 23)),
      kind.padEnd(7),
      output.state(view.state) + ' '.repeat(Math.max(0, 10 - view.state.length)),
      view.id,
      view.service,
      view.requestId,
      view.role,
      [view.endpoint, view.peerManager && `on ${view.peerManager}`].filter(Boolean).join(' '),
      side.addresses.join(','),
      pathText(view),
      view.detail,
    ]
      .filter((part) => part !== '')
      .join('  '),
  );
}
