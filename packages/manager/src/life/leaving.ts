// An endpoint that leaves, or a node that is drained: new connections go elsewhere, and those that are there move while the
// endpoint still serves them.
import { setTimeout as sleep } from 'node:timers/promises';
import { type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import { endpointKey } from '@nsm/registry';
import { fewAtATime } from '../few-at-a-time.js';
import { lease, type Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { heal } from './healing.js';
import { canMove, move } from './moving.js';

/** Milliseconds for which an endpoint that leaves waits for its connections to move. */
const patience = 10_000;

/** Milliseconds: more than packets take to another node and back. */
const linger = 100;

/** What became of the connections that were to move. */
export interface Moved {
  readonly moved: number;
  /** Ids of those that no other endpoint can take. */
  readonly staying: readonly string[];
}

/** Ends an endpoint of this node when its connections have moved, or cannot. */
export async function leave(node: Node, record: NetworkServiceEndpoint): Promise<void> {
  const end = node.endpoints.withdraw(endpointKey(record));
  const reason = `endpoint ${record.nseProviderName} leaves`;
  const moving = moveAll(node, (connection) => isServedBy(connection, record), reason);
  const moved = new AbortController();
  const signal = AbortSignal.any([node.stopping, moved.signal]);
  await Promise.race([moving, sleep(patience, undefined, { signal, ref: false }).catch(() => undefined)]);
  moved.abort();
  await end('it was removed');
}

/** Takes the endpoints of this node out of service, and moves their connections; or puts them back into it. */
export async function drain(node: Node, undo: boolean): Promise<Moved> {
  node.drained = !undo;
  node.logger.info({ drained: node.drained }, 'endpoints are in or out of service');
  const { name, advertise: address, drained } = node;
  await node.registry.registerManager({ name, address, drained }, lease).catch((error: unknown) => {
    // It will be told when it is back; until then this manager refuses what comes.
    node.logger.warn({ err: error }, 'the registry has not heard yet');
  });
  if (undo) return { moved: 0, staying: [] };
  return await moveAll(node, ({ role }) => role !== 'CLIENT', `node ${name} is drained`);
}

/** Whether this node's half of a connection is the one of its endpoint, and that is `record`. */
export function isServedBy({ role, service, endpoint }: Connection, record: NetworkServiceEndpoint): boolean {
  return (
    role !== 'CLIENT' &&
    service === record.networkServiceName &&
    endpoint.name === record.nseProviderName &&
    (endpoint.namespace || 'default') === (record.nseProviderNamespace || 'default')
  );
}

/** Moves connections whose endpoint is on this node; the managers of their clients where those are elsewhere. */
export async function moveAll(
  node: Node,
  concerns: (connection: Connection) => boolean,
  reason: string,
): Promise<Moved> {
  const staying: string[] = [];
  const there = [...node.connections.values()].filter(
    (connection) => connection.state.kind === 'UP' && concerns(connection),
  );
  await fewAtATime(there, async ({ id, role, peer }) => {
    try {
      if (role !== 'ENDPOINT') await moveAway(node, id, reason);
      else if (peer)
        await node.peers.move(peer, { connectionId: peer.connectionId, managerName: node.name, reason });
    } catch (thrown) {
      staying.push(id);
      node.logger.info({ connection: id, err: NsmError.from(thrown) }, 'stays with its endpoint');
    }
  });
  return { moved: there.length - staying.length, staying };
}

/**
 * Moves a client of this node away from the endpoint that it has.
 * @throws NsmError when nobody else can take it.
 */
export async function moveAway(node: Node, id: string, reason: string): Promise<void> {
  const connection = node.connections.byId(id);
  if (!connection) return;
  const { service, endpoint } = connection;
  const left = endpointKey({
    networkServiceName: service,
    nseProviderName: endpoint.name,
    nseProviderNamespace: endpoint.namespace,
  });
  if (canMove(connection)) await move(node, id, reason, (other) => endpointKey(other) === left, { linger });
  // What cannot be there twice is made anew; the endpoint need not wait for that.
  else heal(node, id, reason);
}
