// A connection that replaces another takes over what two cannot have at once: the interface's name, and the routes.
import { closeConnection } from '../life/closing.js';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { portOf } from './endpoint-side.js';
import { hasDevice } from './shared-memory.js';

/** Only when the connection carries packets may the one that it replaces go. Call it under the connection's key. */
export async function closeReplaced(node: Node, { replaces }: Connection): Promise<void> {
  const replaced = replaces && node.connections.byId(replaces.id);
  if (replaced) await closeConnection(node, replaced, 'replaced by a changed request');
}

/** The interface's name when it has been taken over: what the client gives it, or what the replaced one had. */
export function nameToBe({ replaces, interface: chosen, clientParameters }: Connection): string {
  const inherited = replaces?.interfaceName || clientParameters.interfaceName;
  return hasDevice(chosen)
    ? (chosen.parameters?.interfaceParameters.name ?? inherited)
    : clientParameters.interfaceName;
}

/** Ends the replacement: from now on the connection stands alone. Call it under the connection's key. */
export async function settle(node: Node, connection: Connection): Promise<Connection> {
  await closeReplaced(node, connection);
  const { replaces: _replaced, ...rest } = connection;
  const { crossConnect, interface: chosen, clientParameters, endpointParameters } = rest;
  const { endpointInterface = chosen } = rest;
  const interfaceName = nameToBe(connection);
  const { client, endpoint } = crossConnect;
  const wanted = {
    ...crossConnect,
    ...(client?.namespace
      ? {
          client: {
            ...client,
            ...portOf(chosen, client.namespace, client.uid, { ...clientParameters, interfaceName }),
            formerName: clientParameters.interfaceName,
          },
        }
      : {}),
    ...(endpoint?.namespace
      ? {
          endpoint: {
            ...endpoint,
            ...portOf(endpointInterface, endpoint.namespace, endpoint.uid, endpointParameters),
          },
        }
      : {}),
  };
  const applied = await node.forwarder.apply(wanted);
  const settled: Connection = {
    ...rest,
    clientParameters: { ...clientParameters, interfaceName },
    crossConnect: {
      ...applied,
      ...(applied.client ? { client: { ...applied.client, formerName: '' } } : {}),
    },
  };
  await node.connections.put(settled);
  return settled;
}
