// The last steps of every request: the connection is recorded and the dataplane programmed, both or neither.

import type { forwarder as fw } from '@nsm/api';
import type { Connection } from '../state/connection.js';
import { routesIn } from '../state/connection-table.js';
import { holderOf } from '../state/holder.js';
import type { RequestComponents } from './components.js';
import type { Transaction } from './transaction.js';

/**
 * Makes a planned connection real.
 * @returns the connection with the name its interface really got.
 */
export async function program(
  components: RequestComponents,
  transaction: Transaction,
  planned: Connection,
): Promise<Connection> {
  requireRoutes(components, planned);
  const before = components.connections.byId(planned.id);
  const { crossConnect } = planned;
  const remove = () => components.forwarder.remove({ crossConnects: [crossConnect] });
  // The record takes about as long as the kernel does, so both go on at the same time.
  const [programmed, recorded] = await Promise.allSettled([
    transaction.step(
      'program the dataplane',
      async () => {
        try {
          return await components.forwarder.apply(crossConnect, { signal: transaction.signal });
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
      () => components.connections.put(planned),
      () =>
        before
          ? components.connections.put(before)
          : components.connections.remove(planned, 'the connection could not be made'),
    ),
  ]);
  if (recorded.status === 'rejected') throw recorded.reason;
  if (programmed.status === 'rejected') throw programmed.reason;
  return withNamesOf(programmed.value, planned);
}

/** Whatever is recorded in the same tick counts from then on. @throws NsmError `overload` when the client's connections have too many */
function requireRoutes({ shares, connections }: RequestComponents, planned: Connection): void {
  const [holder, more] = [holderOf(planned), routesIn(planned)];
  if (holder && more > 0)
    shares.require('routes', holder, connections.routesBeside(planned, holder), { more });
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
export function declareUp(
  { connections, logger }: Pick<RequestComponents, 'connections' | 'logger'>,
  connection: Connection,
): Connection {
  const up = connections.change(connection, { phase: { kind: 'UP' } });
  logger.info(
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
