// What happens when something a connection stands on is lost: a process, a network namespace, an interface, an endpoint.
import type { NetworkServiceEndpoint } from '@nsm/api';
import { closeConnection } from './closing.js';
import type { Connection } from './connection.js';
import { heal } from './healing.js';
import type { Node } from './node.js';

/** Listens to the forwarder until the manager stops. */
export function watchForwarder(node: Node): void {
  const watch = async (): Promise<void> => {
    for await (const { event } of node.forwarder.watch({}, { signal: node.stopping })) {
      if (event.case === 'namespaceGone') namespaceGone(node, event.value);
      else if (event.case === 'interfaceGone') interfaceGone(node, event.value);
    }
  };
  watch().catch((error: unknown) => {
    if (!node.stopping.aborted)
      node.logger.error({ err: error }, 'no longer told of what happens on the node');
  });
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

/** Somebody removed an interface of a connection: it is made again. */
function interfaceGone(node: Node, id: string): void {
  const lost = node.connections.byId(id);
  if (lost?.state.kind !== 'UP') return;
  const mended = node.mutex.run(lost.key, async () => {
    const connection = node.connections.byId(id);
    if (connection?.state.kind !== 'UP') return;
    await node.forwarder.apply(connection.crossConnect);
    node.logger.warn({ connection: id }, 'an interface was removed by someone else and is there again');
  });
  mended.catch((error: unknown) =>
    node.logger.error({ connection: id, err: error }, 'an interface was removed and could not be made again'),
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
