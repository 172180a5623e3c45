// nsmconnect.ClientConnection on client.sock: what clients call.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { connect, NsmError, type ServiceImplementation } from '@nsm/api';
import { admitConnectionRequest, admitName, admitRequestId } from '../admission/admission.js';
import { Intake } from '../admission/intake.js';
import { detailOf, isClosed, isUp, requestKey } from '../state/connection.js';
import type { ConnectionChange } from '../state/connection-table.js';
import { quote } from '../untrusted-text.js';
import { requestConnection } from './client-requests.js';
import type { ServiceComponents } from './components.js';
import { refusable } from './refusable.js';

export function clientService(
  components: ServiceComponents,
): ServiceImplementation<typeof connect.ClientConnection> {
  const intake = new Intake(components);
  return {
    requestConnection: (request, { peer, signal }) =>
      refusable(async () => {
        admitConnectionRequest(request);
        const { requestId, networkServiceName: service, linuxNamespace } = request;
        const asker = await components.guard.askerOf(linuxNamespace, peer);
        const { clientParameters, interface: chosen } = await intake.run(
          { asker, service, requestId },
          signal,
          () => requestConnection(components, request, peer, signal),
        );
        return { accepted: true, connectionParameters: clientParameters, interface: chosen };
      }),

    closeConnection: ({ requestId, networkServiceName }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        admitName('network_service_name', networkServiceName);
        const namespace = await components.guard.namespaceOf(peer);
        const key = requestKey(requestId, networkServiceName);
        let alreadyClosed = true;
        await components.reconciler.order(key, {
          kind: 'close',
          reason: 'closed by the client',
          tell: 'peer',
          concerns: ({ owner }) => {
            alreadyClosed = false;
            if (owner?.namespace === namespace || components.guard.speaksForOthers(peer)) return true;
            throw new NsmError(
              'namespace-foreign',
              `the connection of request_id ${quote(requestId)} belongs to another network namespace; close it from there`,
            );
          },
        });
        return { accepted: true, alreadyClosed };
      }),

    async *watchConnections(_request, { peer, signal }) {
      const namespace = await components.guard.namespaceOf(peer);
      for await (const change of components.connections.watch(signal)) {
        if (
          change.kind === 'synced' ||
          (change.connection.owner?.namespace === namespace && isCurrent(components, change))
        )
          yield clientEvent(change);
      }
    },
  };
}

/**
 * While one connection replaces another, the client hears of the one that it has: of the old one until that is closed, and
 * not of its end.
 */
function isCurrent(
  { connections }: Pick<ServiceComponents, 'connections'>,
  { kind, connection }: Exclude<ConnectionChange, { kind: 'synced' }>,
): boolean {
  const { requestId, service, generation } = connection;
  const ended = kind === 'removed' || isClosed(connection);
  return !connections
    .byRequest(requestId, service)
    .some(
      (other) =>
        other.role !== 'ENDPOINT' &&
        !isClosed(other) &&
        (other.generation > generation ? ended : other.generation < generation),
    );
}

function clientEvent(change: ConnectionChange): MessageInitShape<typeof connect.ConnectionEventSchema> {
  const { UP, HEALING, CLOSED, SYNCED } = connect.ConnectionEvent_Kind;
  if (change.kind === 'synced') return { kind: SYNCED };
  const { connection } = change;
  const ended = change.kind === 'removed' || isClosed(connection);
  const kind = ended ? CLOSED : isUp(connection) ? UP : HEALING;
  return {
    kind,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    connectionParameters: connection.clientParameters,
    interface: connection.interface,
    detail: change.kind === 'removed' ? change.reason : detailOf(connection),
  };
}
