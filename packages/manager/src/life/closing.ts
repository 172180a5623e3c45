// The end of a connection, whoever ends it: both halves, the endpoint, and everything taken for it.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import type { AddressPair } from '../addresses/address-pools.js';
import { releasePairs } from '../addresses/allocation.js';
import type { Node } from '../node.js';
import type { Connection, ConnectionState } from '../state/connection.js';

export interface ClosingOptions {
  /** Whether the manager of the other half has to be told. Default: true. */
  readonly tellPeer?: boolean;
  /** The endpoint was lost: the client's manager is to connect the client elsewhere. Default: false. */
  readonly reconnect?: boolean;
  /** Milliseconds within which the manager of the other half must have heard. Default: as long as any call to it. */
  readonly hearWithin?: number;
}

/**
 * Removes a connection from this node and has it removed from the other. Call it under the connection's key. Where the
 * other manager does not answer, the record stays, CLOSING, until it has been told.
 * @throws NsmError when an interface could not be removed; it is tried again when connections are compared, or the forwarder is
 * back.
 */
export async function closeConnection(
  node: Node,
  connection: Connection,
  reason: string,
  options: ClosingOptions = {},
): Promise<void> {
  const { tellPeer = true, reconnect = false } = options;
  const closing = { kind: 'CLOSING', reason, tellPeer, reconnect } as const;
  node.connections.changeState(connection, closing);
  const [removed, told] = await Promise.allSettled([
    node.forwarder.remove({ crossConnects: [connection.crossConnect] }),
    tellOthers(node, connection, reason, options),
  ]);
  if (removed.status === 'rejected') throw NsmError.from(removed.reason);
  forgetRoutes(node, connection);
  releasePairs(node, ownPairs(node, connection));
  if (connection.tunnel) node.identifiers.release(connection.tunnel.identifier);
  node.owners.letGo(connection);
  if (told.status === 'rejected') {
    await keepTelling(node, connection, closing, options);
    return;
  }
  await node.connections.remove(connection, reason);
  node.logger.info({ connection: connection.id, service: connection.service, reason }, 'connection closed');
}

/** The same addresses may be asked for again at once: they must not be taken for the endpoint's own. */
export function forgetRoutes({ guard }: Node, { crossConnect: { endpoint } }: Connection): void {
  if (endpoint?.namespace) guard.forget(endpoint.namespace.inode);
}

/** Not those that another connection of the client has as well, because one takes the other's place. */
function ownPairs(node: Node, { id, pairs, requestId, service }: Connection): readonly AddressPair[] {
  const others = node.connections.byRequest(requestId, service).filter((other) => other.id !== id);
  const shared = new Set(others.flatMap((other) => other.pairs.map(({ prefix }) => prefix)));
  return pairs.filter(({ prefix }) => !shared.has(prefix));
}

/** Closes a connection under its key, as soon as what is going on with it is done, if it is then still meant. */
export function closeSoon(
  node: Node,
  id: string,
  reason: string,
  { onlyIf, ...options }: ClosingOptions & { readonly onlyIf?: (connection: Connection) => boolean } = {},
): void {
  const present = node.connections.byId(id);
  if (!present) return;
  const closed = node.mutex.run(present.key, async () => {
    const connection = node.connections.byId(id);
    if (connection && onlyIf?.(connection) !== false)
      await closeConnection(node, connection, reason, options);
  });
  closed.catch((error: unknown) =>
    node.logger.error({ connection: id, err: error }, 'a connection could not be closed'),
  );
}

/** Milliseconds between attempts to tell a manager that does not answer. */
const tellAgain = { first: 500, longest: 30_000 };

/** Nothing of the connection is left here but its record, so that the other half is not forgotten by a restart. */
async function keepTelling(
  node: Node,
  connection: Connection,
  closing: ConnectionState & { readonly kind: 'CLOSING' },
  options: ClosingOptions,
): Promise<void> {
  const { reason } = closing;
  const { tunnel: _released, ...bare } = connection;
  const waiting: Connection = {
    ...bare,
    pairs: [],
    state: { ...closing, removed: true },
  };
  await node.connections.put(waiting);
  // Asked for again, it is another, and the other manager knows that its half is gone.
  const over = (): boolean => node.stopping.aborted || node.connections.byId(connection.id) !== waiting;
  const tell = async (): Promise<void> => {
    for (let pause = tellAgain.first; ; pause = Math.min(2 * pause, tellAgain.longest)) {
      await sleep(pause, undefined, { signal: node.stopping }).catch(() => undefined);
      if (over()) return;
      const gone = !node.registry.managers().has(connection.peer?.manager ?? '');
      const heard = await tellOthers(node, connection, reason, options).then(
        () => true,
        () => false,
      );
      if (over()) return;
      if (heard || gone) return await node.connections.remove(waiting, reason);
    }
  };
  tell().catch((error: unknown) =>
    node.logger.error({ connection: connection.id, err: error }, 'the other manager was not told'),
  );
}

/**
 * Tells the endpoint and the other manager that a connection has ended.
 * @throws NsmError when the other manager does not answer.
 */
export async function tellOthers(
  node: Node,
  connection: Connection,
  reason: string,
  { tellPeer = true, reconnect = false, hearWithin }: ClosingOptions = {},
): Promise<void> {
  await Promise.all([
    connection.role === 'CLIENT' ? undefined : tellEndpoint(node, connection, reason),
    tellPeer ? tellOtherManager(node, connection, reason, reconnect, hearWithin) : undefined,
  ]);
}

/** Tells an endpoint that a connection has ended, unless it serves another of the same request. */
export async function tellEndpoint(
  node: Node,
  { id, requestId, service, endpoint: { name, namespace } }: ServedConnection,
  reason: string,
): Promise<void> {
  // While a changed request replaces a connection, the endpoint knows both by one request_id.
  const goesOn = node.connections
    .byRequest(requestId, service)
    .some((other) => other.id !== id && other.role !== 'CLIENT' && other.endpoint.name === name);
  if (goesOn) return;
  await node.endpoints.close(
    { nseProviderName: name, nseProviderNamespace: namespace, networkServiceName: service },
    requestId,
    reason,
  );
}

/** What an endpoint of this node knows a connection by. */
type ServedConnection = Pick<Connection, 'id' | 'requestId' | 'service' | 'endpoint'>;

async function tellOtherManager(
  node: Node,
  { peer, requestId, service, id, role, halfId = '' }: Connection,
  reason: string,
  reconnect: boolean,
  hearWithin: number | undefined,
): Promise<void> {
  if (!peer?.address) return;
  const connectionId = role === 'CLIENT' ? id : peer.connectionId;
  const request = {
    requestId,
    networkServiceName: service,
    connectionId,
    reason,
    reconnect,
    managerName: node.name,
    halfId,
  };
  try {
    await node.peers.close(peer, request, hearWithin);
  } catch (error) {
    node.logger.warn(
      { connection: id, manager: peer.manager, err: error },
      'the other manager did not hear that the connection ended',
    );
    throw error;
  }
}
