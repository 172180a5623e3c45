// nsmproxy.ProxyConnection on TCP: what other managers call.
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { proxy, ServiceImplementation } from '@nsm/api';
import { admitProxyRequest } from '../admission/admission.js';
import { admitConnectionId, callingManager } from '../admission/calling-manager.js';
import { Intake } from '../admission/intake.js';
import { foreignClient } from '../policy/subjects.js';
import { halfReply } from '../request/half-reply.js';
import { planHalf } from '../request/plan-half.js';
import {
  closeProxyConnection,
  endedConnection,
  moveProxyConnection,
  sharesConnection,
} from '../signals/peer-notifications.js';
import { troubledConnections } from '../signals/undone-there.js';
import type { Connection } from '../state/connection.js';
import type { ServiceComponents } from './components.js';
import { requestProxyConnection } from './proxy-requests.js';
import { refusable } from './refusable.js';

export function proxyService(
  components: ServiceComponents,
): ServiceImplementation<typeof proxy.ProxyConnection> {
  // Apart from the clients' own, which wait for those of other managers.
  const intake = new Intake(components);
  return {
    requestProxyConnection: async (request, context) => {
      const subject = { service: request.networkServiceName, by: 'manager' };
      const course = components.courses.begin('connect', subject, context.traceparent);
      const make = async (): Promise<Connection> => {
        admitProxyRequest(request);
        const { requestId, networkServiceName: service } = request;
        const caller = callingManager(components, context, request.clientManagerName);
        admitConnectionId(caller, request.connectionId);
        // A name that is only said is no fact; the address that a call comes from is.
        const asker = caller.proven ? caller.name : (context.remoteAddress ?? '');
        const turn = { asker, service, requestId };
        const work = async () => {
          course.waited('wait for its turn', 0);
          // Its endpoint may be one that is still being found again.
          await components.recovered;
          return await requestProxyConnection(
            components,
            { ...request, clientManagerName: caller.name },
            context,
            course,
          );
        };
        return await intake.run(turn, context.signal, work);
      };
      const reply = await refusable(async () => halfReply(await course.whole(make)));
      return {
        ...reply,
        steps: course.report('manager', components.self.name),
        tookMs: course.durationMs,
      };
    },
    planProxyConnection: async (request, context) => {
      admitProxyRequest(request);
      const { name } = callingManager(components, context, request.clientManagerName);
      return await planHalf(components, {
        request: { ...request, clientManagerName: name },
        client: foreignClient(request.client, name, context),
        callerAddress: context.remoteAddress ?? '',
      });
    },
    closeProxyConnection: (request, context) =>
      refusable(async () => {
        await closeProxyConnection(
          components,
          callingManager(components, context, request.managerName),
          request,
          context.traceparent,
        );
        return undefined;
      }),
    moveConnection: (request, context) =>
      refusable(async () => {
        await moveProxyConnection(
          components,
          callingManager(components, context, request.managerName),
          request,
        );
        return undefined;
      }),
    checkConnections: async ({ managerName, connections }, context) => {
      const caller = callingManager(components, context, managerName);
      return {
        incarnation: components.self.incarnation,
        time: timestampFromMs(Date.now()),
        version: components.self.version,
        unknownConnectionIds: connections
          .filter((connection) => !sharesConnection(components, caller, connection))
          .map(({ connectionId }) => connectionId),
        pendingConnectionIds: connections
          .map(({ connectionId }) => connectionId)
          .filter((id) => components.peers.isAsking(id)),
        ended: connections.flatMap((connection) => endedConnection(components, caller, connection) ?? []),
        troubled: [...troubledConnections(components, caller.name)],
      };
    },
  };
}
