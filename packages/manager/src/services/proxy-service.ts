// nsmproxy.ProxyConnection on TCP: what other managers call.
import type { proxy, ServiceImplementation } from '@nsm/api';
import { admitProxyRequest } from '../admission/admission.js';
import { Intake } from '../admission/intake.js';
import { proxyReply } from '../request/endpoint-half.js';
import {
  closeProxyConnection,
  endedConnection,
  moveProxyConnection,
  sharesConnection,
} from '../signals/peer-notifications.js';
import { troubledConnections } from '../signals/undone-there.js';
import type { ServiceComponents } from './components.js';
import { requestProxyConnection } from './proxy-requests.js';
import { refusable } from './refusable.js';

export function proxyService(
  components: ServiceComponents,
): ServiceImplementation<typeof proxy.ProxyConnection> {
  // Apart from the clients' own, which wait for those of other managers.
  const intake = new Intake(components);
  return {
    requestProxyConnection: (request, context) =>
      refusable(async () => {
        admitProxyRequest(request);
        const { requestId, networkServiceName: service } = request;
        // The address that a call comes from is a fact; the name in the call is not.
        const turn = { asker: context.remoteAddress ?? '', service, requestId };
        const work = async () => {
          // Its endpoint may be one that is still being found again.
          await components.recovered;
          return await requestProxyConnection(components, request, context);
        };
        return proxyReply(await intake.run(turn, context.signal, work));
      }),
    closeProxyConnection: (request) =>
      refusable(async () => {
        await closeProxyConnection(components, request);
        return undefined;
      }),
    moveConnection: (request) =>
      refusable(async () => {
        await moveProxyConnection(components, request);
        return undefined;
      }),
    checkConnections: async ({ managerName, connections }) => ({
      incarnation: components.self.incarnation,
      unknownConnectionIds: connections
        .filter((connection) => !sharesConnection(components, connection, managerName))
        .map(({ connectionId }) => connectionId),
      pendingConnectionIds: connections
        .map(({ connectionId }) => connectionId)
        .filter((id) => components.peers.isAsking(id)),
      ended: connections.flatMap(
        ({ connectionId }) => endedConnection(components, connectionId, managerName) ?? [],
      ),
      troubled: [...troubledConnections(components, managerName)],
    }),
  };
}
