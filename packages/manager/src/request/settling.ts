// A connection that replaces another, make before break: packets go through the new one before the old one is removed, and
// then it takes over what two cannot have at once, the interface's name.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClosingOptions, closeConnection } from '../life/closing.js';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { type PortInit, portOf } from './endpoint-side.js';
import { hasDevice } from './shared-memory.js';

export interface ReplacingOptions extends ClosingOptions {
  /** What is told of the end of the old one. Default: that it was replaced. */
  readonly reason?: string;
  /** Milliseconds for which the old one is kept for packets that are on their way through it. Default: 0. */
  readonly linger?: number;
}

const replacedByAnother = 'replaced by a changed request';

/** Ends the connection whose place another one takes, if it is still there. Call it under the connection's key. */
export async function closeReplaced(node: Node, { replaces }: Connection): Promise<void> {
  const replaced = replaces && node.connections.byId(replaces.id);
  if (replaced) await closeConnection(node, replaced, replacedByAnother);
}

/** The interface's name when it has been taken over: what the client gives it, or what the replaced one had. */
export function nameToBe({ replaces, interface: chosen, clientParameters }: Connection): string {
  const { interfaceName } = clientParameters;
  if (!hasDevice(chosen)) return interfaceName;
  const inherited = replaces?.interfaceName || interfaceName;
  const wanted = chosen.parameters?.interfaceParameters.name ?? inherited;
  if (!wanted.includes('%d')) return wanted;
  const [before = '', after = ''] = wanted.split('%d');
  const number = inherited.slice(before.length, inherited.length - after.length);
  return inherited === `${before}${number}${after}` && /^\d+$/.test(number) ? inherited : interfaceName;
}

/**
 * Puts an established connection in the place of the one that it replaces, and closes that: from now on it stands alone. One
 * that a kill or a forwarder's absence kept from it goes on where it was. Call it under the connection's key.
 * @throws NsmError when it cannot take over; while the other one was there to begin with, that stands as before, and this one
 * is closed.
 */
export async function takeOver(
  node: Node,
  connection: Connection,
  { reason = replacedByAnother, linger = 0, ...options }: ReplacingOptions = {},
): Promise<Connection> {
  const replaced = connection.replaces && node.connections.byId(connection.replaces.id);
  if (!replaced) return await settle(node, connection);
  const routed = replaced.state.kind === 'CLOSING' ? connection : await route(node, connection, replaced);
  const { tellPeer = true, reconnect = false } = options;
  const ending = node.connections.changeState(replaced, { kind: 'CLOSING', reason, tellPeer, reconnect });
  // Once the new one stands alone, nothing else tells a restart that the old one is to go.
  await node.connections.put(ending);
  if (linger > 0) await sleep(linger);
  await node.forwarder.remove({ crossConnects: [ending.crossConnect] });
  const settled = await settle(node, routed);
  await closeConnection(node, ending, reason, options);
  return settled;
}

/** The new one's routes go before those of the old one, and it has its name, unless that is the old one's. */
async function route(node: Node, connection: Connection, replaced: Connection): Promise<Connection> {
  const { clientParameters } = connection;
  const takes = { takesOver: replaced.id };
  const interfaceName = nameToBe(connection);
  const routed =
    interfaceName === replaced.clientParameters.interfaceName
      ? withPorts(connection, takes)
      : withPorts(
          { ...connection, clientParameters: { ...clientParameters, interfaceName } },
          { ...takes, formerName: clientParameters.interfaceName },
        );
  try {
    await node.forwarder.apply(routed.crossConnect);
    await node.connections.put(routed);
    return routed;
  } catch (error) {
    await closeConnection(node, routed, 'it could not take over');
    // Some of its routes may have been taken; if they are not put back now, a comparison does it.
    await node.forwarder.apply(replaced.crossConnect).catch(() => undefined);
    throw error;
  }
}

/** The interface gets the name that it is to have, which nobody else has any more. */
async function settle(node: Node, connection: Connection): Promise<Connection> {
  const { replaces: _replaced, ...rest } = connection;
  const { clientParameters } = rest;
  const interfaceName = nameToBe(connection);
  const { crossConnect, ...settled } = withPorts(
    { ...rest, clientParameters: { ...clientParameters, interfaceName } },
    { formerName: clientParameters.interfaceName },
  );
  const applied = await node.forwarder.apply(crossConnect);
  const done: Connection = {
    ...settled,
    crossConnect: {
      ...applied,
      mended: [],
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
