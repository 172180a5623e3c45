// nseconnect.EndpointOperations on endpoint.sock: what endpoints call.
import { type CallContext, type endpoint, NsmError, type ServiceImplementation } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { admitName, admitRequestId, quote } from '../admission/admission.js';
import { closeConnection } from '../life/closing.js';
import type { Node } from '../node.js';
import { refusable } from './refusable.js';

export function endpointService(node: Node): ServiceImplementation<typeof endpoint.EndpointOperations> {
  const entitled = async (
    record: { nseProviderName: string; networkServiceName: string; nseProviderNamespace: string },
    { peer }: CallContext,
  ): Promise<void> => {
    if (await node.endpoints.belongsTo(record, await node.guard.namespaceOf(peer))) return;
    if (node.guard.speaksForOthers(peer)) return;
    throw new NsmError(
      'namespace-foreign',
      `endpoint ${quote(record.nseProviderName)} belongs to another network namespace; speak for it from there`,
    );
  };
  return {
    advertiseEndpoint: ({ networkEndpoint }) =>
      refusable(async () => {
        await node.endpoints.advertise(networkEndpoint);
        return undefined;
      }),

    removeEndpoint: ({ nseProviderName, nseProviderNamespace, networkServiceName }, context) =>
      refusable(async () => {
        admitName('nse_provider_name', nseProviderName);
        for (const record of node.endpoints.matching(
          nseProviderName,
          nseProviderNamespace,
          networkServiceName,
        )) {
          await entitled(record, context);
          await node.endpoints.remove(endpointKey(record), 'it was removed');
        }
        return undefined;
      }),

    closeConnection: ({ requestId, networkServiceName, reason }, context) =>
      refusable(async () => {
        admitRequestId(requestId);
        for (const { id, key } of node.connections.values()) {
          await node.mutex.run(key, async () => {
            const connection = node.connections.byId(id);
            if (
              connection?.requestId !== requestId ||
              connection.service !== networkServiceName ||
              connection.role === 'CLIENT'
            )
              return;
            const { name, namespace } = connection.endpoint;
            await entitled(
              { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName },
              context,
            );
            await closeConnection(node, connection, reason || 'closed by the endpoint');
          });
        }
        return undefined;
      }),
  };
}
