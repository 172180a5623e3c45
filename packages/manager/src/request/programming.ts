// The last steps of every request: the connection is recorded and the dataplane programmed, both or neither.

import type { forwarder as fw } from '@nsm/api';
import type { Course } from '@nsm/observe';
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
      async (step) => {
        const { course, signal } = transaction;
        try {
          const { headers, onSteps } = course.call(step, { component: 'forwarder' });
          const applied = await components.forwarder.apply(crossConnect, { signal, headers });
          onSteps(applied);
          return applied;
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
    shares.require('routes', holder, connections.holdings.routesOf(holder, planned.id), { more });
}

/** The forwarder's answer as far as it is recorded: the course of the order tells its steps. */
export function asRecorded(applied: fw.CrossConnect): fw.CrossConnect {
  return { ...applied, mended: [], steps: [], tookMs: 0 };
}

/** A connection as the forwarder made it: with the names that its interfaces really got. */
export function withNamesOf(applied: fw.CrossConnect, planned: Connection): Connection {
  const { client, endpoint } = applied;
  return {
    ...planned,
    // The other side has answered: a later mend must not wait for that again.
    crossConnect: { ...asRecorded(applied), answerWithinMs: 0 },
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

/** The connection carries packets. @param course of the order that made it. */
export function declareUp(
  { connections, logger }: Pick<RequestComponents, 'connections' | 'logger'>,
  connection: Connection,
  course: Course,
): Connection {
  const up = connections.change(connection, { phase: { kind: 'UP' } });
  course.about({ connection: up.id, service: up.service, role: up.role });
  connections.histories.noteCourse(up.id, course);
  logger.info(
    {
      connection: up.id,
      role: up.role,
      service: up.service,
      endpoint: up.endpoint.name,
      peer: up.peer?.manager,
      trace: course.traceId,
      ms: Math.round(course.durationMs * 10) / 10,
    },
    'connection up',
  );
  return up;
}
