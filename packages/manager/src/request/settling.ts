// A connection that replaces another, make before break: packets go through the new one before the old one is removed, and
// then it takes over what two cannot have at once, the interface's name.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClosingOptions, closeConnection } from '../life/closing.js';
import { mend } from '../life/mending.js';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { type PortInit, portOf } from './endpoint-side.js';
import { hasDevice } from './shared-memory.js';

export interface ReplacingOptions extends ClosingOptions {
  /** Milliseconds for which the old one is kept for packets that are on their way through it. Default: 0. */
  readonly linger?: number;
}

/**
 * Puts an established connection in the place of another one of the same key, and closes that. Call it under the key.
 * @throws NsmError when it cannot take over; then it is closed, and the other one stands as before.
 */
export async function replace(
  node: Node,
  connection: Connection,
  replaced: Connection,
  reason: string,
  { linger = 0, ...options }: ReplacingOptions = {},
): Promise<Connection> {
  const routed = withPorts(connection, { takesOver: replaced.id });
  try {
    await node.forwarder.apply(routed.crossConnect);
    await node.connections.put(routed);
  } catch (error) {
    await closeConnection(node, withoutPairsOf(connection, replaced), 'it could not take over');
    // Its routes may have been taken already.
    mend(node, replaced.id, 'it was to be replaced');
    throw error;
  }
  const ending = node.connections.changeState(withoutPairsOf(replaced, connection), {
    kind: 'CLOSING',
    reason,
  });
  if (linger > 0) await sleep(linger);
  await node.forwarder.remove({ crossConnects: [ending.crossConnect] });
  const settled = await settle(node, routed, replaced);
  await closeConnection(node, ending, reason, options);
  return settled;
}

/** Addresses that both have are given back with the other one. */
export function withoutPairsOf(connection: Connection, other: Connection): Connection {
  const pairs = connection.pairs.filter(({ prefix }) => !other.pairs.some((pair) => pair.prefix === prefix));
  return { ...connection, pairs };
}

/** The interface gets the name the client gives it, or that of the replaced one, which has gone. */
async function settle(node: Node, connection: Connection, replaced: Connection): Promise<Connection> {
  const { crossConnect, interface: chosen, clientParameters } = connection;
  const samePod = replaced.crossConnect.client?.namespace?.inode === crossConnect.client?.namespace?.inode;
  const former = samePod ? replaced.clientParameters.interfaceName : '';
  const inherited = former || clientParameters.interfaceName;
  const interfaceName = hasDevice(chosen)
    ? (chosen.parameters?.interfaceParameters.name ?? inherited)
    : clientParameters.interfaceName;
  const settled = withPorts(
    { ...connection, clientParameters: { ...clientParameters, interfaceName } },
    { formerName: clientParameters.interfaceName },
  );
  const applied = await node.forwarder.apply(settled.crossConnect);
  const done: Connection = {
    ...settled,
    crossConnect: {
      ...applied,
      ...(applied.client ? { client: { ...applied.client, formerName: '' } } : {}),
    },
  };
  await node.connections.put(done);
  return done;
}

/** A connection whose ports are all that its parameters say: beside the replaced one they were without routes. */
function withPorts(connection: Connection, more: Partial<PortInit>): Connection {
  const { crossConnect, interface: chosen, clientParameters, endpointParameters } = connection;
  const { endpointInterface = chosen } = connection;
  const { client, endpoint } = crossConnect;
  return {
    ...connection,
    crossConnect: {
      ...crossConnect,
      ...(client?.namespace
        ? {
            client: {
              ...client,
              ...portOf(chosen, client.namespace, client.uid, clientParameters),
              ...more,
            },
          }
        : {}),
      ...(endpoint?.namespace
        ? {
            endpoint: {
              ...endpoint,
              ...portOf(endpointInterface, endpoint.namespace, endpoint.uid, endpointParameters),
              takesOver: more.takesOver ?? '',
            },
          }
        : {}),
    },
  };
}
