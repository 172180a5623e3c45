// Closes a connection over the client's socket, or over the operator's.

import { NsmError } from '@nsm/api';
import { Output } from '@nsm/output';
import { disconnect } from '@nsm/sdk';
import { withAdmin } from '../../managers/admin-client.js';
import { findConnection } from '../../managers/find-connection.js';
import type { DisconnectFlags } from './flags.js';

export async function disconnectByKey(
  service: string,
  requestId: string,
  flags: DisconnectFlags,
): Promise<void> {
  const output = new Output(flags.json === true);
  if (flags.netns) (await import('../../enter-namespace.js')).enterNamespace(flags.netns);
  const existed = await disconnect({ service, requestId, runDir: flags.runDir, timeoutMs: flags.timeout });
  if (output.json) output.value({ service, requestId, closed: true, existed });
  else if (existed) output.line(`disconnected from ${service} (request id ${requestId})`);
  else output.line(`there was no connection to ${service} with request id ${requestId}: nothing to do`);
}

/** @param name as `findConnection` takes it. */
export async function disconnectById(name: string, flags: DisconnectFlags): Promise<void> {
  const output = new Output(flags.json === true);
  const { id, reply } = await withAdmin(flags.runDir, async (admin) => {
    const { id } = await findConnection(admin, name);
    return { id, reply: await admin.closeConnection({ id }, { timeoutMs: flags.timeout }) };
  });
  if (!reply.accepted) throw NsmError.fromAdmissionError(reply.admissionError, 'not-found');
  if (output.json) output.value({ id, closed: true });
  else output.line(`closed connection ${id}`);
}
