// What a manager is asked for its state and that of the mesh.
import { NsmError } from '@nsm/api';
import type { AdminClient } from '../../managers/admin-client.js';
import type { StatusReplies } from './status-view.js';

export async function askStatus(
  client: AdminClient,
  options: NonNullable<Parameters<AdminClient['getManager']>[1]> = {},
  roundTrips = false,
): Promise<StatusReplies> {
  const [status, managers, services, endpoints, connections, refusals] = await Promise.all([
    client.getManager({}, options),
    client.listManagers({}, options),
    client.listServices({}, options),
    client.listEndpoints({}, options),
    client.listConnections({ roundTrips }, options),
    // Neither a manager of an older version nor a forwarder that hangs keeps the rest from being told.
    client.listRefusals({}, options).catch((thrown: unknown) => {
      if (['unimplemented', 'unavailable'].includes(NsmError.from(thrown).kind)) return { refusals: [] };
      throw thrown;
    }),
  ]);
  return { status, managers, services, endpoints, connections, refusals };
}
