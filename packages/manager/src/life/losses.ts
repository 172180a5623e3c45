// What happens when something a connection stands on is lost: a process, a network namespace, an interface, an endpoint.
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkServiceEndpoint } from '@nsm/api';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { closeConnection } from './closing.js';
import { heal } from './healing.js';

/** Milliseconds until a forwarder that has gone is called again. */
const callAgainAfter = 200;

/** Listens to the forwarder until the manager stops; after a silence it is told again what is wanted. */
export async function watchForwarder(node: Node): Promise<void> {
  let away = false;
  for (let first = true; !node.stopping.aborted; first = false) {
    try {
      const events = node.forwarder.watch({}, { signal: node.stopping });
      if (!first) for (const { id } of node.connections.values()) mend(node, id, 'the forwarder was away');
      for await (const { event } of events) {
        away = false;
        if (event.case === 'namespaceGone') namespaceGone(node, event.value);
        else if (event.case === 'interfaceGone')
          mend(node, event.value, 'an interface was removed by someone else');
      }
    } catch (error) {
      if (node.stopping.aborted) return;
      if (!away) node.logger.error({ err: error }, 'the forwarder does not answer');
      away = true;
    }
    await sleep(callAgainAfter, undefined, { signal: node.stopping }).catch(() => undefined);
  }
}

/** The process that connections were bound to has ended. */
export function processGone(node: Node, ids: readonly string[]): void {
  for (const id of ids) close(node, id, 'the process that asked for it has ended');
}

/** An endpoint of this node has died or was removed: its clients, here and on other nodes, are connected elsewhere. */
export function endpointGone(node: Node, record: NetworkServiceEndpoint, reason: string): void {
  node.health.forget(record);
  for (const connection of node.connections.values()) {
    const { role, service, endpoint } = connection;
    const same =
      service === record.networkServiceName &&
      endpoint.name === record.nseProviderName &&
      (endpoint.namespace || 'default') === (record.nseProviderNamespace || 'default');
    if (role !== 'CLIENT' && same)
      replaceEndpoint(node, connection, `endpoint ${endpoint.name} is gone: ${reason}`);
  }
}

function namespaceGone(node: Node, inode: number): void {
  node.guard.forget(inode);
  for (const connection of node.connections.values()) {
    const { client, endpoint } = connection.crossConnect;
    if (client?.namespace?.inode === inode)
      close(node, connection.id, 'the network namespace of the client is gone');
    else if (endpoint?.namespace?.inode === inode)
      replaceEndpoint(node, connection, 'the network namespace of the endpoint is gone');
  }
}

/** Has the kernel brought to what a connection wants; where it is so already, nothing is touched. */
function mend(node: Node, id: string, reason: string): void {
  const present = node.connections.byId(id);
  if (present?.state.kind !== 'UP') return;
  const mended = node.mutex.run(present.key, async () => {
    const connection = node.connections.byId(id);
    if (connection?.state.kind === 'UP') await node.forwarder.apply(connection.crossConnect);
  });
  mended.then(
    () => node.logger.info({ connection: id, reason }, 'seen to'),
    (error: unknown) => node.logger.error({ connection: id, reason, err: error }, 'could not be mended'),
  );
}

function replaceEndpoint(node: Node, connection: Connection, reason: string): void {
  if (connection.role === 'ENDPOINT') close(node, connection.id, reason, true);
  else heal(node, connection.id, reason);
}

function close(node: Node, id: string, reason: string, reconnect = false): void {
  const present = node.connections.byId(id);
  if (!present) return;
  const closed = node.mutex.run(present.key, async () => {
    const connection = node.connections.byId(id);
    if (connection) await closeConnection(node, connection, reason, { reconnect });
  });
  closed.catch((error: unknown) =>
    node.logger.error({ connection: id, err: error }, 'a connection could not be closed'),
  );
}
