// A connection whose endpoint was lost finds another, without its client asking: same id, interface name and, where the
// new endpoint allows, addresses.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import { releasePairs } from '../addresses/allocation.js';
import { clientNamespace, type Node } from '../node.js';
import { establish } from '../request/establish.js';
import type { Connection } from '../state/connection.js';
import { closeConnection, closeSoon, tellOthers } from './closing.js';

/** Milliseconds between attempts: the first comes at once, later ones less and less often. */
const backOff = { first: 50, factor: 2, longest: 5000 };

/** Milliseconds within which the manager of a lost endpoint must have heard: its client shall not wait for a dead node. */
const hearWithin = 1000;

/** Starts to heal a connection and returns; it goes on until it succeeds, or the client closes or goes. */
export function heal(node: Node, id: string, reason: string): void {
  keepTrying(node, id, reason).catch((error: unknown) => {
    if (!node.stopping.aborted) node.logger.error({ connection: id, err: error }, 'healing ended');
  });
}

/** What is left of a connection is taken down, and it is made anew, here or by the manager of its client. */
export function rebuild(node: Node, { id, role }: Connection, reason: string): void {
  if (role === 'ENDPOINT') closeSoon(node, id, reason, { reconnect: true });
  else heal(node, id, reason);
}

async function keepTrying(node: Node, id: string, reason: string): Promise<void> {
  const { key } = node.connections.byId(id) ?? {};
  if (key === undefined) return;
  const lost = await node.mutex.run(key, async () => {
    const connection = node.connections.byId(id);
    if (!connection || connection.role === 'ENDPOINT' || connection.state.kind === 'CLOSING') return false;
    await letGoOfEndpoint(node, connection, reason);
    return true;
  });
  for (let attempt = 1; lost && !node.stopping.aborted; attempt++) {
    const settled = await node.mutex.run(key, async () => {
      const connection = node.connections.byId(id);
      if (connection?.state.kind !== 'HEALING') return true;
      try {
        if (!(await clientNamespace(node, connection))) {
          await closeConnection(node, connection, 'the network namespace of the client is gone');
          return true;
        }
        await reconnect(
          node,
          connection,
          AbortSignal.any([node.stopping, AbortSignal.timeout(node.requestTimeout)]),
        );
        return true;
      } catch (thrown) {
        const error = NsmError.from(thrown);
        node.logger.warn({ connection: id, attempt, err: error }, 'not healed yet');
        node.connections.changeState(connection, {
          kind: 'HEALING',
          reason: `${reason}; ${error.message}`,
          attempt,
        });
        return false;
      }
    });
    if (settled) return;
    await pause(node, id, attempt);
  }
}

/**
 * Takes down what led to the lost endpoint; what is the client's own, its addresses above all, is kept for it. Call it under
 * the connection's key.
 */
export async function letGoOfEndpoint(
  node: Node,
  connection: Connection,
  reason: string,
): Promise<Connection> {
  const healing = node.connections.changeState(connection, { kind: 'HEALING', reason, attempt: 0 });
  node.logger.info({ connection: connection.id, reason }, 'healing');
  await Promise.all([
    node.forwarder.remove({ crossConnects: [healing.crossConnect] }),
    // A manager that does not answer is the likely reason; when it does again, it is asked anew or told at the end.
    tellOthers(node, healing, reason, { hearWithin }).catch(() => undefined),
  ]);
  if (healing.tunnel) node.identifiers.release(healing.tunnel.identifier);
  const { tunnel: _released, ...rest } = healing;
  await node.connections.put(rest);
  return rest;
}

/**
 * One attempt to connect a connection that lost its endpoint. Call it under the connection's key.
 * @throws NsmError when no endpoint can be connected now.
 */
export async function reconnect(
  node: Node,
  connection: Connection,
  signal: AbortSignal,
): Promise<Connection> {
  const { state } = connection;
  const kept = state.kind === 'HEALING' && state.kept;
  const lost = kept ? await letGoOfEndpoint(node, connection, state.reason) : connection;
  const { request, owner, crossConnect, pairs, clientParameters } = lost;
  const uid = crossConnect.client?.uid ?? 0;
  if (!request || !owner) throw new NsmError('internal', `${lost.id} has no client to reconnect`);
  const namespace = await clientNamespace(node, lost);
  if (!namespace) throw new NsmError('namespace-unknown', 'the network namespace of the client is gone');
  const { key, fingerprint, generation } = lost;
  const former = { pairs, interfaceName: clientParameters.interfaceName, interface: lost.interface };
  const healed = await establish(
    node,
    { request, key, fingerprint, owner, namespace, uid, generation, former },
    signal,
  );
  releasePairs(
    node,
    pairs.filter(({ prefix }) => !healed.pairs.some((pair) => pair.prefix === prefix)),
  );
  return healed;
}

/** Waits for the next attempt; a new endpoint of the service, or the end of this manager, cuts it short. */
async function pause(node: Node, id: string, attempt: number): Promise<void> {
  const longest = Math.min(backOff.first * backOff.factor ** (attempt - 1), backOff.longest);
  const service = node.connections.byId(id)?.service;
  const awake = new AbortController();
  const signal = AbortSignal.any([awake.signal, node.stopping]);
  let snapshot = true;
  using _watch = node.registry.watch(({ event }) => {
    if (!snapshot && event.case === 'endpointPut' && event.value.networkServiceName === service)
      awake.abort();
  });
  snapshot = false;
  await sleep(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
}
