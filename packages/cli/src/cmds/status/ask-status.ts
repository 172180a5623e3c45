// What a manager is asked for its state and that of the mesh.
import type { AdminClient } from '../../admin-client.js';
import type { StatusReplies } from './status-view.js';

export async function askStatus(client: AdminClient): Promise<StatusReplies> {
  const [status, managers, services, endpoints, connections] = await Promise.all([
    client.getManager({}),
    client.listManagers({}),
    client.listServices({}),
    client.listEndpoints({}),
    client.listConnections({}),
  ]);
  return { status, managers, services, endpoints, connections };
}
