// The end of a connection, whoever ends it: both halves, the endpoint, and everything taken for it.
import { NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import type { AddressPair } from '../addresses/address-pools.js';
import { releasePairs } from '../addresses/allocation.js';
import { notifyEndpoint, notifyPeerManager } from '../peers/close-notifications.js';
import { type Connection, clientKeyOf, isClosed, type Tell } from '../state/connection.js';
import type { ActsComponents } from './components.js';
import type { CloseOrder } from './orders.js';
import { timing } from './timing.js';

/** Records that the connection is meant to be closed from now on. */
export function end(
  components: ActsComponents,
  connection: Connection,
  reason: string,
  tell: Tell,
): Connection {
  return components.connections.change(connection, { intent: { kind: 'closed', reason, tell } });
}

export async function closeAll(
  components: ActsComponents,
  connections: readonly Connection[],
  { reason, tell, concerns }: CloseOrder,
  course: Course,
): Promise<undefined> {
  const { connections: table } = components;
  for (const { id } of connections) {
    const connection = table.byId(id);
    if (!connection || connection.phase.kind === 'REMOVED' || (await concerns?.(connection)) === false)
      continue;
    const closed = isClosed(connection) ? connection : end(components, connection, reason, tell);
    await remove(components, closed, course);
  }
}

/** Where the other manager does not answer, the record stays until that manager has been told: a restart then goes on with it. */
export async function remove(
  components: ActsComponents,
  connection: Connection,
  course: Course,
): Promise<void> {
  const { id, service, intent, tunnel, crossConnect } = connection;
  if (intent.kind !== 'closed') return;
  const [removed, told] = await Promise.allSettled([
    course.step('remove the interface', () => components.forwarder.remove({ crossConnects: [crossConnect] })),
    tellOthers(components, connection, intent.reason, intent.tell, course),
  ]);
  if (removed.status === 'rejected') throw NsmError.from(removed.reason);
  forgetRoutes(components, connection);
  releasePairs(components, ownPairs(components, connection));
  if (tunnel) components.identifiers.release(tunnel.identifier);
  components.owners.letGo(connection);
  if (told.status === 'rejected') {
    const { tunnel: _released, ...bare } = connection;
    await components.connections.put({ ...bare, pairs: [], phase: { kind: 'REMOVED' } });
    return;
  }
  await course.step('forget the connection', () => components.connections.remove(connection, intent.reason));
  const { reason } = intent;
  components.logger.info({ connection: id, service, reason, trace: course.traceId }, 'connection closed');
}

export async function tellAgain(
  components: ActsComponents,
  connection: Connection,
  course: Course,
): Promise<void> {
  const { registry, connections } = components;
  const { intent, peer } = connection;
  if (intent.kind !== 'closed') return;
  try {
    await tellOthers(components, connection, intent.reason, intent.tell, course);
  } catch (error) {
    if (registry.managers().has(peer?.manager ?? '')) throw error;
  }
  await connections.remove(connection, intent.reason);
}

/** @throws NsmError when the other manager has to hear, and does not answer. */
export async function tellOthers(
  components: ActsComponents,
  connection: Connection,
  reason: string,
  tell: Tell,
  course: Course,
): Promise<void> {
  const { hearWithinMs } = timing;
  const { role, peer } = connection;
  const telling =
    tell === 'nobody' || !peer
      ? undefined
      : course.step('tell the other manager', (step) =>
          notifyPeerManager(components, connection, reason, {
            reconnect: tell === 'reconnect',
            hearWithinMs,
            headers: course.call(step, { component: 'manager' }).headers,
          }),
        );
  await Promise.all([
    role === 'CLIENT'
      ? undefined
      : course.step('tell the endpoint', () => notifyEndpoint(components, connection, reason)),
    tell === 'once' ? void telling?.catch(() => undefined) : telling,
  ]);
}

/** The same addresses may be asked for again at once: the guard must not take them for the endpoint's own. */
export function forgetRoutes(components: ActsComponents, { crossConnect: { endpoint } }: Connection): void {
  if (endpoint?.namespace) components.guard.forget(endpoint.namespace.inode);
}

/** The address pairs of this connection alone: a connection that replaces another has the same pairs as the replaced one. */
function ownPairs(components: ActsComponents, connection: Connection): readonly AddressPair[] {
  const { id, pairs } = connection;
  const others = components.connections.ofClient(clientKeyOf(connection)).filter((other) => other.id !== id);
  const shared = new Set(others.flatMap((other) => other.pairs.map(({ prefix }) => prefix)));
  return pairs.filter(({ prefix }) => !shared.has(prefix));
}
