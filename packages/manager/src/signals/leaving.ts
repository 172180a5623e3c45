// An endpoint that leaves, or a node that is drained: new connections go elsewhere, and those that are there move while the
// endpoint still serves them.
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { timing } from '../connection/timing.js';
import { forEachLimited } from '../limited-concurrency.js';
import { tellDrained } from '../peers/registration.js';
import { type Connection, endpointOf, isUp } from '../state/connection.js';
import type { SignalComponents } from './components.js';

export interface Moved {
  readonly moved: number;
  /** Ids of those that no other endpoint can take. */
  readonly staying: readonly string[];
}

/** Ends an endpoint of this node when its connections have moved, or cannot. */
export async function leave(components: SignalComponents, record: NetworkServiceEndpoint): Promise<void> {
  const end = components.advertising.withdraw(endpointKey(record));
  const reason = `endpoint ${record.nseProviderName} leaves`;
  const moving = moveAll(components, (connection) => isServedBy(connection, record), reason);
  const moved = new AbortController();
  const signal = AbortSignal.any([components.stopping, moved.signal]);
  await Promise.race([moving, components.clock.sleep(timing.leavePatienceMs, signal)]);
  moved.abort();
  await end('it was removed');
}

/** Takes the endpoints of this node out of service, and moves their connections; or puts them back into it. */
export async function drain(components: SignalComponents, undo: boolean): Promise<Moved> {
  const { catalogue, logger, self } = components;
  catalogue.drained = !undo;
  logger.info({ drained: catalogue.drained }, 'endpoints are in or out of service');
  await tellDrained(components, catalogue.drained);
  if (undo) return { moved: 0, staying: [] };
  return await moveAll(components, ({ role }) => role !== 'CLIENT', `node ${self.name} is drained`);
}

/** Whether this node's half of a connection is the one of its endpoint, and that is `record`. */
export function isServedBy(connection: Connection, record: NetworkServiceEndpoint): boolean {
  return connection.role !== 'CLIENT' && endpointKey(endpointOf(connection)) === endpointKey(record);
}

/** Moves connections whose endpoint is on this node; the managers of their clients where those are elsewhere. */
async function moveAll(
  components: SignalComponents,
  concerns: (connection: Connection) => boolean,
  reason: string,
): Promise<Moved> {
  const staying: string[] = [];
  const there = [...components.connections.values()].filter(
    (connection) => isUp(connection) && concerns(connection),
  );
  await forEachLimited(there, async ({ id, role, peer, halfId = '' }) => {
    try {
      if (role !== 'ENDPOINT') await moveAway(components, id, reason);
      else if (peer)
        await components.peers.move(peer, {
          connectionId: peer.connectionId,
          managerName: components.self.name,
          halfId,
          reason,
        });
    } catch (thrown) {
      staying.push(id);
      components.logger.info({ connection: id, err: NsmError.from(thrown) }, 'stays with its endpoint');
    }
  });
  return { moved: there.length - staying.length, staying };
}

/**
 * Moves a client of this node away from its endpoint.
 * @throws NsmError when no other endpoint can take the client.
 */
export async function moveAway(
  { connections, reconciler }: SignalComponents,
  id: string,
  reason: string,
): Promise<void> {
  const connection = connections.byId(id);
  if (!connection) return;
  const { key } = connection;
  const left = endpointKey(endpointOf(connection));
  const avoid = (other: NetworkServiceEndpoint): boolean => endpointKey(other) === left;
  await reconciler.order(key, { kind: 'move', id, reason, avoid });
}
