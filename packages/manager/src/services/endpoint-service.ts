// nseconnect.EndpointOperations on endpoint.sock: what endpoints call.
import type { endpoint, ServiceImplementation } from '@nsm/api';
import { admitName, admitRequestId } from '../admission/admission.js';
import { closeConnection } from '../life/closing.js';
import { leave } from '../life/leaving.js';
import type { Node } from '../node.js';
import { refusable } from './refusable.js';

export function endpointService(node: Node): ServiceImplementation<typeof endpoint.EndpointOperations> {
  return {
    advertiseEndpoint: ({ networkEndpoint }, { peer }) =>
      refusable(async () => {
        await node.endpoints.advertise(networkEndpoint, peer);
        return undefined;
      }),

    removeEndpoint: ({ nseProviderName, nseProviderNamespace, networkServiceName }, { peer }) =>
      refusable(async () => {
        admitName('nse_provider_name', nseProviderName);
        for (const record of node.endpoints.matching(
          nseProviderName,
          nseProviderNamespace,
          networkServiceName,
        )) {
          await node.endpoints.admitCaller(record, peer);
          await leave(node, record);
        }
        return undefined;
      }),

    closeConnection: ({ requestId, networkServiceName, reason }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        for (const { id, key } of node.connections.byRequest(requestId, networkServiceName)) {
          await node.mutex.run(key, async () => {
            const connection = node.connections.byId(id);
            if (!connection || connection.role === 'CLIENT') return;
            const { name, namespace } = connection.endpoint;
            const record = { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName };
            await node.endpoints.admitCaller(record, peer);
            await closeConnection(node, connection, reason || 'closed by the endpoint');
          });
        }
        return undefined;
      }),
  };
}
