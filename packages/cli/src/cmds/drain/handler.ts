// Drains the node of a manager, or ends that, and tells what became of the connections.

import { admin, NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { type AdminClient, withAdmin } from '../../managers/admin-client.js';
import type { DrainFlags } from './flags.js';

const { CONNECTIONS } = admin.WatchEvent_Topic;
const { REMOVED } = admin.ConnectionChange_Kind;

export async function runDrain({ undo = false, runDir, json }: DrainFlags): Promise<void> {
  const output = new Output(json === true);
  const reply = await withAdmin(runDir, async (client) => {
    using _progress = undo ? undefined : showProgress(client, new Output(false, process.stderr));
    return await client.drain({ undo });
  });
  if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'internal');
  const { moved, staying } = reply;
  if (staying.length > 0) process.exitCode = 1;
  if (output.json) return output.value({ drained: !undo, moved, staying });
  if (undo) return output.line('endpoints of this node are in service again');
  output.line(
    `endpoints of this node are out of service; ${moved} ${moved === 1 ? 'connection' : 'connections'} moved`,
  );
  for (const id of staying) output.line(`stays, as no other endpoint can take it: ${id}`);
}

/** On a terminal, until what is returned is disposed of: how many connections there are yet. */
function showProgress(client: AdminClient, progress: Output): Disposable {
  const ending = new AbortController();
  if (progress.live)
    void (async () => {
      const here = new Set<string>();
      let most = 0;
      for await (const { what, kind } of client.watch({ topics: [CONNECTIONS] }, { signal: ending.signal })) {
        const isOurs = what.case === 'connection' && what.value.role !== 'CLIENT';
        if (isOurs && kind === REMOVED) here.delete(what.value.id);
        else if (isOurs) here.add(what.value.id);
        most = Math.max(most, here.size);
        if (ending.signal.aborted) return;
        progress.clear();
        progress.draft(`draining: ${here.size} of ${most} connections are here yet`);
      }
      // A drain goes on without its progress.
    })().catch(() => undefined);
  return {
    [Symbol.dispose]: () => {
      ending.abort();
      progress.clear();
    },
  };
}
