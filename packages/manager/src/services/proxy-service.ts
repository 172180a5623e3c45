// nsmproxy.ProxyConnection on TCP: what other managers call.
import type { proxy, ServiceImplementation } from '@nsm/api';
import { admitProxyRequest } from '../admission/admission.js';
import { Intake } from '../admission/intake.js';
import {
  closeProxyConnection,
  endedConnection,
  moveProxyConnection,
  sharesConnection,
} from '../life/other-half.js';
import { troubledConnections } from '../life/undone-there.js';
import type { Node } from '../node.js';
import { proxyReply, requestProxyConnection } from '../request/proxy-requests.js';
import { refusable } from './refusable.js';

export function proxyService(node: Node): ServiceImplementation<typeof proxy.ProxyConnection> {
  // Apart from the clients' own, which wait for those of other managers.
  const intake = new Intake(node);
  return {
    requestProxyConnection: (request, context) =>
      refusable(async () => {
        admitProxyRequest(request);
        const { requestId, networkServiceName: service } = request;
        // Where a call comes from is a fact; the name in it is not.
        const turn = { asker: context.remoteAddress ?? '', service, requestId };
        const work = async () => {
          // Its endpoint may be one that is still being found again.
          await node.recovered;
          return await requestProxyConnection(node, request, context);
        };
        return proxyReply(await intake.run(turn, context.signal, work));
      }),
    closeProxyConnection: (request) =>
      refusable(async () => {
        await closeProxyConnection(node, request);
        return undefined;
      }),
    moveConnection: (request) =>
      refusable(async () => {
        await moveProxyConnection(node, request);
        return undefined;
      }),
    checkConnections: async ({ managerName, connections }) => ({
      incarnation: node.incarnation,
      unknownConnectionIds: connections
        .filter((connection) => !sharesConnection(node, connection, managerName))
        .map(({ connectionId }) => connectionId),
      pendingConnectionIds: connections
        .map(({ connectionId }) => connectionId)
        .filter((id) => node.asking.has(id)),
      ended: connections.flatMap(
        ({ connectionId }) => endedConnection(node, connectionId, managerName) ?? [],
      ),
      troubled: [...troubledConnections(node, managerName)],
    }),
  };
}
