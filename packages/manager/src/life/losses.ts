// What happens when something a connection stands on is lost: a process, a network namespace, an interface, an endpoint.
import { setTimeout as sleep } from 'node:timers/promises';
import { type forwarder as fw, type NetworkServiceEndpoint, NsmError } from '@nsm/api';
import type { Node } from '../node.js';
import { isInPlace } from '../state/connection.js';
import { closeSoon } from './closing.js';
import { rebuild } from './healing.js';
import { isServedBy } from './leaving.js';
import { mend } from './mending.js';
import { removeStrays } from './strays.js';

/** Milliseconds until a forwarder that has gone is called again. */
const callAgainAfter = 200;

/** Listens to the forwarder until the manager stops; after a silence it is told again what is wanted. */
export async function watchForwarder(node: Node): Promise<void> {
  let away = false;
  for (let first = true; !node.stopping.aborted; first = false) {
    try {
      const events = node.forwarder.watch({}, { signal: node.stopping });
      if (!first) forwarderIsBack(node);
      node.offers.listen(true);
      for await (const { event } of events) {
        away = false;
        if (event.case === 'namespaceGone') namespaceGone(node, event.value);
        else if (event.case === 'offersChanged') underlayChanged(node);
        else if (event.case === 'interfaceChanged')
          mend(node, event.value, 'its interface was changed by someone else');
      }
    } catch (error) {
      if (node.stopping.aborted) return;
      if (!away) node.logger.error({ err: error }, 'the forwarder does not answer');
      away = true;
    }
    node.offers.listen(false);
    await sleep(callAgainAfter, undefined, { signal: node.stopping }).catch(() => undefined);
  }
}

/** What it was in the middle of when it went was left, and what it was told meanwhile it did not hear. */
function forwarderIsBack(node: Node): void {
  for (const { id } of node.connections.values()) mend(node, id, 'the forwarder was away');
  removeStrays(node).catch((error: unknown) => {
    if (NsmError.from(error).kind !== 'unavailable')
      node.logger.warn({ err: error }, 'what belongs to no connection was not removed');
  });
}

/** Connections whose packets no longer fit through the underlay are made anew, with the MTU that does. */
function underlayChanged(node: Node): void {
  node.offers.forget();
  for (const told of node.underlayChanged) told();
  for (const connection of node.connections.values()) {
    const { client, endpoint, tunnel } = connection.crossConnect;
    const mtu = (client ?? endpoint)?.mtu ?? 0;
    if (!tunnel || !isInPlace(connection)) continue;
    const offered = node.offers.to(tunnel.remote);
    offered.then(
      ({ tunnels }) => {
        const fits = tunnels.find(({ type }) => type === tunnel.type)?.parameters?.mtu ?? mtu;
        if (fits < mtu)
          rebuild(node, connection, `the underlay carries ${fits} bytes of the pod only, not ${mtu}`);
      },
      // Without a route packets do not come back, which is noticed as such.
      () => undefined,
    );
  }
}

/** The process that connections were bound to has ended. */
export function processGone(node: Node, ids: readonly string[]): void {
  for (const id of ids) closeSoon(node, id, 'the process that asked for it has ended');
}

/** An endpoint of this node has died or was removed: its clients, here and on other nodes, are connected elsewhere. */
export function endpointGone(node: Node, record: NetworkServiceEndpoint, reason: string): void {
  node.health.forget(record);
  for (const connection of node.connections.values()) {
    if (isServedBy(connection, record))
      rebuild(node, connection, `endpoint ${record.nseProviderName} is gone: ${reason}`);
  }
}

function namespaceGone(node: Node, gone: fw.Namespace): void {
  node.guard.forget(gone.inode);
  for (const connection of node.connections.values()) {
    const { client, endpoint } = connection.crossConnect;
    if (sameNamespace(client?.namespace, gone))
      closeSoon(node, connection.id, 'the network namespace of the client is gone');
    else if (sameNamespace(endpoint?.namespace, gone))
      rebuild(node, connection, 'the network namespace of the endpoint is gone');
  }
}

/** Another namespace may have got the inode; where the kernel gives no cookies, it has to do. */
function sameNamespace(one: fw.Namespace | undefined, other: fw.Namespace): boolean {
  return one?.inode === other.inode && one.cookie === other.cookie;
}
