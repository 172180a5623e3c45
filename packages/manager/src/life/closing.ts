// The end of a connection, whoever ends it: both halves, the endpoint, and everything taken for it.
import { NsmError } from '@nsm/api';
import { releasePairs } from '../addresses/allocation.js';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';

export interface ClosingOptions {
  /** Whether the manager of the other half has to be told. Default: true. */
  readonly tellPeer?: boolean;
  /** The endpoint was lost: the client's manager is to connect the client elsewhere. Default: false. */
  readonly reconnect?: boolean;
}

/**
 * Removes a connection from this node and has it removed from the other. Call it under the connection's key.
 * @throws NsmError `dataplane` when an interface could not be removed; the connection stays, CLOSING, and a repetition
 * goes on with it.
 */
export async function closeConnection(
  node: Node,
  connection: Connection,
  reason: string,
  options: ClosingOptions = {},
): Promise<void> {
  const recorded = node.connections.changeState(connection, { kind: 'CLOSING', reason });
  const [removed] = await Promise.allSettled([
    node.forwarder.remove({ crossConnects: [connection.crossConnect] }),
    tellOthers(node, connection, reason, options),
    recorded,
  ]);
  if (removed.status === 'rejected') throw NsmError.from(removed.reason);
  releasePairs(node, connection.pairs);
  if (connection.tunnel) node.identifiers.release(connection.tunnel.identifier);
  node.owners.letGo(connection);
  await node.connections.remove(connection, reason);
  node.logger.info({ connection: connection.id, service: connection.service, reason }, 'connection closed');
}

/** Tells the endpoint and the other manager that a connection has ended. Nobody who does not hear it holds it up. */
export async function tellOthers(
  node: Node,
  connection: Connection,
  reason: string,
  { tellPeer = true, reconnect = false }: ClosingOptions = {},
): Promise<void> {
  await Promise.all([
    tellEndpoint(node, connection, reason),
    tellPeer ? tellOtherManager(node, connection, reason, reconnect) : undefined,
  ]);
}

async function tellEndpoint(node: Node, connection: Connection, reason: string): Promise<void> {
  if (connection.role === 'CLIENT') return;
  // While a changed request replaces this connection, the endpoint knows both by one request_id.
  const replaced = [...node.connections.values()].some(
    (other) =>
      other.id !== connection.id &&
      other.requestId === connection.requestId &&
      other.service === connection.service &&
      other.endpoint.name === connection.endpoint.name,
  );
  if (replaced) return;
  const { name, namespace } = connection.endpoint;
  await node.endpoints.close(
    { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName: connection.service },
    connection.requestId,
    reason,
  );
}

async function tellOtherManager(
  node: Node,
  { peer, requestId, service, id, role }: Connection,
  reason: string,
  reconnect: boolean,
): Promise<void> {
  if (!peer?.address) return;
  const connectionId = role === 'CLIENT' ? id : peer.connectionId;
  await node.peers
    .close(peer, {
      requestId,
      networkServiceName: service,
      connectionId,
      reason,
      reconnect,
      managerName: node.name,
    })
    .catch((error: unknown) => {
      node.logger.warn(
        { connection: id, manager: peer.manager, err: error },
        'the other manager did not hear that the connection ended',
      );
    });
}
