// nsmconnect.ClientConnection on client.sock: what clients call.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { connect, NsmError, type ServiceImplementation } from '@nsm/api';
import { admitConnectionRequest, admitName, admitRequestId, quote } from '../admission/admission.js';
import { Intake } from '../admission/intake.js';
import { closeConnection } from '../life/closing.js';
import type { Node } from '../node.js';
import { requestConnection } from '../request/client-requests.js';
import { requestKey } from '../state/connection.js';
import { type ConnectionChange, reasonOf } from '../state/connection-table.js';
import { refusable } from './refusable.js';

export function clientService(node: Node): ServiceImplementation<typeof connect.ClientConnection> {
  const intake = new Intake(node);
  return {
    requestConnection: (request, { peer, signal }) =>
      refusable(async () => {
        admitConnectionRequest(request);
        const { requestId, networkServiceName: service, linuxNamespace } = request;
        const asker = await node.guard.askerOf(linuxNamespace, peer);
        const { clientParameters, interface: chosen } = await intake.run(
          { asker, service, requestId },
          signal,
          () => requestConnection(node, request, peer, signal),
        );
        return { accepted: true, connectionParameters: clientParameters, interface: chosen };
      }),

    closeConnection: ({ requestId, networkServiceName }, { peer }) =>
      refusable(async () => {
        admitRequestId(requestId);
        admitName('network_service_name', networkServiceName);
        const namespace = await node.guard.namespaceOf(peer);
        const key = requestKey(requestId, networkServiceName);
        let alreadyClosed = false;
        await node.mutex.run(key, async () => {
          const connection = node.connections.byKey(key);
          alreadyClosed =
            !connection || (connection.state.kind === 'CLOSING' && connection.state.removed === true);
          if (!connection || alreadyClosed) return;
          if (connection.owner?.namespace !== namespace && !node.guard.speaksForOthers(peer)) {
            throw new NsmError(
              'namespace-foreign',
              `the connection of request_id ${quote(requestId)} belongs to another network namespace; close it from there`,
            );
          }
          await closeConnection(node, connection, 'closed by the client');
        });
        return { accepted: true, alreadyClosed };
      }),

    async *watchConnections(_request, { peer, signal }) {
      const namespace = await node.guard.namespaceOf(peer);
      for await (const change of node.connections.watch(signal)) {
        if (
          change.kind === 'synced' ||
          (change.connection.owner?.namespace === namespace && isCurrent(node, change))
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
  { connections }: Node,
  { kind, connection }: Exclude<ConnectionChange, { kind: 'synced' }>,
): boolean {
  const { requestId, service, generation, state } = connection;
  const ended = kind === 'removed' || state.kind === 'CLOSING';
  return !connections
    .byRequest(requestId, service)
    .some(
      (other) =>
        other.role !== 'ENDPOINT' &&
        other.state.kind !== 'CLOSING' &&
        (other.generation > generation ? ended : other.generation < generation),
    );
}

function clientEvent(change: ConnectionChange): MessageInitShape<typeof connect.ConnectionEventSchema> {
  const { UP, HEALING, CLOSED, SYNCED } = connect.ConnectionEvent_Kind;
  if (change.kind === 'synced') return { kind: SYNCED };
  const { connection } = change;
  const { state } = connection;
  const kind =
    change.kind === 'removed' || state.kind === 'CLOSING' ? CLOSED : state.kind === 'UP' ? UP : HEALING;
  return {
    kind,
    requestId: connection.requestId,
    networkServiceName: connection.service,
    connectionParameters: connection.clientParameters,
    interface: connection.interface,
    detail: change.kind === 'removed' ? change.reason : reasonOf(state),
  };
}
