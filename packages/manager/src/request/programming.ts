// The last steps of every request: the connection is recorded and the dataplane programmed, both or neither.

import type { forwarder as fw } from '@nsm/api';
import type { Node } from '../node.js';
import type { Connection } from '../state/connection.js';
import type { Transaction } from './transaction.js';

/**
 * Makes a planned connection real.
 * @returns the connection with the name its interface really got.
 */
export async function program(
  node: Node,
  transaction: Transaction,
  planned: Connection,
): Promise<Connection> {
  const before = node.connections.byId(planned.id);
  const { crossConnect } = planned;
  const remove = () => node.forwarder.remove({ crossConnects: [crossConnect] });
  // The record takes about as long as the kernel does, so both go on at the same time.
  const [programmed, recorded] = await Promise.allSettled([
    transaction.step(
      'program the dataplane',
      async () => {
        try {
          return await node.forwarder.apply(crossConnect, { signal: transaction.signal });
        } catch (error) {
          // A forwarder that is a process may have done it all the same.
          if (transaction.signal.aborted) await remove();
          throw error;
        }
      },
      remove,
    ),
    transaction.step(
      'record the connection',
      () => node.connections.put(planned),
      () =>
        before
          ? node.connections.put(before)
          : node.connections.remove(planned, 'the connection could not be made'),
    ),
  ]);
  if (recorded.status === 'rejected') throw recorded.reason;
  if (programmed.status === 'rejected') throw programmed.reason;
  return withNamesOf(programmed.value, planned);
}

/** A connection as the forwarder made it: with the names that its interfaces really got. */
export function withNamesOf(applied: fw.CrossConnect, planned: Connection): Connection {
  const { client, endpoint } = applied;
  return {
    ...planned,
    // It has answered: what mends it later must not wait for the other side.
    crossConnect: { ...applied, answerWithinMs: 0, mended: [] },
    clientParameters: {
      ...planned.clientParameters,
      interfaceName: client?.name ?? planned.clientParameters.interfaceName,
      mac: client?.mac ?? planned.clientParameters.mac,
    },
    endpointParameters: {
      ...planned.endpointParameters,
      interfaceName: endpoint?.name ?? planned.endpointParameters.interfaceName,
      mac: endpoint?.mac ?? planned.endpointParameters.mac,
    },
  };
}

/** The connection carries packets. */
export function declareUp(node: Node, connection: Connection): Connection {
  const up = node.connections.changeState(connection, { kind: 'UP' });
  node.logger.info(
    {
      connection: up.id,
      role: up.role,
      service: up.service,
      endpoint: up.endpoint.name,
      peer: up.peer?.manager,
    },
    'connection up',
  );
  return up;
}
