// nseconnect.EndpointOperations on endpoint.sock: what endpoints call.
import type { endpoint, ServiceImplementation } from '@nsm/api';
import { admitName, admitRequestId } from '../admission/admission.js';
import { leave } from '../signals/leaving.js';
import type { ServiceComponents } from './components.js';
import { refusable } from './refusable.js';

export function endpointService(
  components: ServiceComponents,
): ServiceImplementation<typeof endpoint.EndpointOperations> {
  return {
    advertiseEndpoint: ({ networkEndpoint }, { peer }) =>
      refusable(async () => {
        await components.advertising.advertise(networkEndpoint, peer);
        return undefined;
      }),

    removeEndpoint: ({ nseProviderName, nseProviderNamespace, networkServiceName }, { peer }) =>
      refusable(async () => {
        admitName('nse_provider_name', nseProviderName);
        for (const record of components.endpoints.matching(
          nseProviderName,
          nseProviderNamespace,
          networkServiceName,
        )) {
          await components.endpoints.admitCaller(record, peer);
          await leave(components, record);
        }
        return undefined;
      }),

    closeConnection: ({ requestId, networkServiceName, reason }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        for (const { id } of components.connections.byRequest(requestId, networkServiceName))
          await components.reconciler.close(id, reason || 'closed by the endpoint', {
            concerns: async ({ role, endpoint: { name, namespace } }) => {
              if (role === 'CLIENT') return false;
              const record = { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName };
              await components.endpoints.admitCaller(record, peer);
              return true;
            },
          });
        return undefined;
      }),
  };
}
