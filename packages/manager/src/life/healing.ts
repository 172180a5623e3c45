// A connection whose endpoint was lost finds another, without its client asking: same id, interface name and, where the
// new endpoint allows, addresses.
import { setTimeout as sleep } from 'node:timers/promises';
import { NsmError } from '@nsm/api';
import { releasePairs } from '../addresses/allocation.js';
import { clientNamespace, type Node } from '../node.js';
import { establish } from '../request/establish.js';
import { closeReplaced, nameToBe } from '../request/settling.js';
import type { Connection } from '../state/connection.js';
import { closeConnection, closeSoon, forgetRoutes, tellOthers } from './closing.js';

/** Milliseconds between attempts: the first comes at once, later ones less and less often. */
const backOff = { first: 50, factor: 2, longest: 5000 };

/** Milliseconds within which the manager of a lost endpoint must have heard: its client shall not wait for a dead node. */
const hearWithin = 1000;

/** Starts to heal a connection and returns; it goes on until it succeeds, or the client closes or goes. */
export function heal(node: Node, id: string, reason: string): void {
  const state = node.connections.byId(id)?.state;
  if (node.healing.has(id) && state?.kind === 'HEALING' && !state.kept) return;
  node.healing.add(id);
  keepTrying(node, id, reason)
    .catch((error: unknown) => {
      if (!node.stopping.aborted) node.logger.error({ connection: id, err: error }, 'healing ended');
    })
    .finally(() => node.healing.delete(id));
}

/** What is left of a connection is taken down, and it is made anew, here or by the manager of its client. */
export function rebuild(node: Node, { id, role }: Connection, reason: string): void {
  if (role === 'ENDPOINT') closeSoon(node, id, reason, { reconnect: true });
  else heal(node, id, reason);
}

async function keepTrying(node: Node, id: string, reason: string): Promise<void> {
  const { key } = node.connections.byId(id) ?? {};
  if (key === undefined) return;
  let lost = false;
  for (let attempt = 1; !node.stopping.aborted; attempt++) {
    const settled = await node.mutex.run(key, async () => {
      const connection = node.connections.byId(id);
      if (!connection || connection.role === 'ENDPOINT' || connection.state.kind === 'CLOSING') return true;
      // The client has asked again meanwhile, and has it.
      if (lost && connection.state.kind !== 'HEALING') return true;
      try {
        const present = lost ? connection : await letGoOfEndpoint(node, connection, reason);
        lost = true;
        if (!(await clientNamespace(node, present))) {
          await closeConnection(node, present, 'the network namespace of the client is gone');
          return true;
        }
        await reconnect(
          node,
          present,
          reason,
          AbortSignal.any([node.stopping, AbortSignal.timeout(node.requestTimeout)]),
        );
        return true;
      } catch (thrown) {
        const error = NsmError.from(thrown);
        if (node.rarely.isNews(id, error.message))
          node.logger.warn({ connection: id, attempt, err: error }, 'not healed yet');
        const current = node.connections.byId(id);
        if (current?.state.kind !== 'HEALING') return true;
        node.connections.changeState(current, {
          kind: 'HEALING',
          reason: withCause(reason, error.message),
          attempt,
        });
        return false;
      }
    });
    if (settled) return node.rarely.forget(id);
    await pause(node, id, attempt);
  }
}

/** What is said already is not said twice. */
export function withCause(reason: string, cause: string): string {
  return reason.includes(cause) ? reason : `${reason}; ${cause}`;
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
  forgetRoutes(node, healing);
  if (healing.tunnel) node.identifiers.release(healing.tunnel.identifier);
  const { tunnel: _released, ...rest } = healing;
  await node.connections.put(rest);
  return rest;
}

/**
 * One attempt to connect a connection that lost its endpoint, or whose endpoint is let go. Call it under the connection's key.
 * @throws NsmError when no endpoint can be connected now.
 */
export async function reconnect(
  node: Node,
  connection: Connection,
  reason: string,
  signal: AbortSignal,
): Promise<Connection> {
  const { state } = connection;
  const lost =
    state.kind === 'HEALING' && !state.kept ? connection : await letGoOfEndpoint(node, connection, reason);
  await closeReplaced(node, lost);
  const { request, owner, crossConnect, pairs } = lost;
  const uid = crossConnect.client?.uid ?? 0;
  if (!request || !owner) throw new NsmError('internal', `${lost.id} has no client to reconnect`);
  const namespace = await clientNamespace(node, lost);
  if (!namespace) throw new NsmError('namespace-unknown', 'the network namespace of the client is gone');
  const { key, fingerprint, generation } = lost;
  const { mtu } = lost.clientParameters;
  const former = { pairs, interfaceName: nameToBe(lost), interface: lost.interface, mtu };
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
