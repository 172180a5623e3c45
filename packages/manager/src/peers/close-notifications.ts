// The endpoint and the other manager of a connection hear that it has ended.
import type { Logger } from 'pino';
import type { LocalEndpoints } from '../endpoints/local-endpoints.js';
import type { ServedConnection, ServedNames } from '../endpoints/served-names.js';
import type { Self } from '../self.js';
import { type Connection, endpointOf, servedAsOf } from '../state/connection.js';
import type { PeerManagers } from './peer-managers.js';

export interface NotificationComponents {
  readonly self: Pick<Self, 'name'>;
  readonly servedNames: ServedNames;
  readonly endpoints: Pick<LocalEndpoints, 'close'>;
  readonly peers: Pick<PeerManagers, 'close'>;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Tells an endpoint of this node that a connection has ended, unless it serves another of the same request. */
export async function notifyEndpoint(
  { servedNames, endpoints }: Pick<NotificationComponents, 'servedNames' | 'endpoints'>,
  served: ServedConnection,
  reason: string,
): Promise<void> {
  // While a changed request replaces a connection, the endpoint knows both by one request_id.
  if (servedNames.others(served).length > 0) return;
  servedNames.release(served);
  await endpoints.close(endpointOf(served), servedAsOf(served), reason);
}

export interface Telling {
  /** The endpoint was lost: the client's manager is to connect the client elsewhere. */
  readonly reconnect: boolean;
  /** Milliseconds. */
  readonly hearWithinMs: number;
  /** Of the step that it is told in. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Tells the manager of the other half that this half has ended.
 * @throws NsmError when that manager does not answer within `hearWithinMs`.
 */
export async function notifyPeerManager(
  { self, peers, logger }: Pick<NotificationComponents, 'self' | 'peers' | 'logger'>,
  { peer, requestId, service, id, role, halfId = '' }: Connection,
  reason: string,
  { reconnect, hearWithinMs, headers }: Telling,
): Promise<void> {
  // A manager that knows only the specification says no name.
  if (!peer?.manager) return;
  const connectionId = role === 'CLIENT' ? id : peer.connectionId;
  const request = {
    requestId,
    networkServiceName: service,
    connectionId,
    reason,
    reconnect,
    managerName: self.name,
    halfId,
  };
  try {
    await peers.close(peer, request, { timeoutMs: hearWithinMs, headers });
  } catch (error) {
    logger.warn(
      { connection: id, peer: peer.manager, err: error },
      'the other manager did not hear that the connection ended',
    );
    throw error;
  }
}
