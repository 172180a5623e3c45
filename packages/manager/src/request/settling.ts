// A connection that replaced another takes over what two cannot have at once: the interface's name, and the routes.
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import { portOf } from './endpoint-side.js';
import { hasDevice } from './shared-memory.js';

/** Call it when the replaced connection has gone. The interface gets the name the client gives it, or the one it had. */
export async function settle(node: Node, connection: Connection, replaced: Connection): Promise<Connection> {
  const { crossConnect, interface: chosen, clientParameters, endpointParameters } = connection;
  const { endpointInterface = chosen } = connection;
  const samePod = replaced.crossConnect.client?.namespace?.inode === crossConnect.client?.namespace?.inode;
  const former = samePod ? replaced.clientParameters.interfaceName : '';
  const inherited = former || clientParameters.interfaceName;
  const interfaceName = hasDevice(chosen)
    ? (chosen.parameters?.interfaceParameters.name ?? inherited)
    : clientParameters.interfaceName;
  const { client, endpoint } = crossConnect;
  const settled: Connection = {
    ...connection,
    clientParameters: { ...clientParameters, interfaceName },
    crossConnect: {
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
    },
  };
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
