// Drains the node of a manager, or ends that, and tells what became of the connections.

import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { withAdmin } from '../../admin-client.js';
import type { DrainFlags } from './flags.js';

export async function runDrain({ undo = false, runDir, json }: DrainFlags): Promise<void> {
  const output = new Output(json === true);
  const reply = await withAdmin(runDir, (admin) => admin.drain({ undo }));
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
