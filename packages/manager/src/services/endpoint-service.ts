// nseconnect.EndpointOperations on endpoint.sock: what endpoints call.
import { type endpoint, NsmError, type ServiceImplementation } from '@nsm/api';
import { admitName, admitRequestId } from '../admission/admission.js';
import { leave } from '../signals/leaving.js';
import { type Connection, endpointOf } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
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
          nseProviderNamespace || 'default',
          networkServiceName,
        )) {
          components.endpoints.admitCaller(record, peer);
          await leave(components, record);
        }
        return undefined;
      }),

    closeConnection: ({ requestId, networkServiceName, reason }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        const isItsOwn = (connection: Connection): boolean =>
          components.endpoints.isServedBy(endpointOf(connection), peer);
        const own = components.connections.servedAs(requestId, networkServiceName).filter(isItsOwn);
        // Of another's connection nothing is said that is not said where there is none.
        const { connections, endpoints, guard } = components;
        if (own.length === 0 && !connections.wasNoted(guard.namespaceOf(peer)) && !endpoints.hasAnyOf(peer))
          throw new NsmError(
            'not-found',
            `this network namespace has no endpoint here, and so no connection of request_id ${quote(requestId)} to ${quote(networkServiceName)}`,
          );
        for (const { id } of own)
          await components.reconciler.close(id, reason || 'closed by the endpoint', { concerns: isItsOwn });
        return undefined;
      }),
  };
}
