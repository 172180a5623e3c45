// A connection that takes the place of another, make before break: packets go through the new connection before the old
// one is removed; then the new one takes over what two cannot have at once, the interface's name.
import type { Course } from '@nsm/observe';
import { nameToBe } from '../request/attempt.js';
import { type PortInit, portOf } from '../request/port.js';
import { asRecorded } from '../request/programming.js';
import { type Connection, isClosed, type Tell } from '../state/connection.js';
import { end, remove } from './closing.js';
import type { ActsComponents, Work } from './components.js';
import type { ConnectOrder } from './orders.js';

export const replacedByAnother = 'replaced by a changed request';

/** Makes a connection as the changed request asks for, beside the present one, and has it replace that one. */
export async function replace(
  components: ActsComponents,
  present: Connection,
  order: ConnectOrder,
  { signal, course }: Work,
): Promise<Connection> {
  await closeReplaced(components, present, course);
  const connection = await order.make(signal, present);
  // Only now that the changed connection carries packets may the old one go.
  return connection.replaces ? await promote(components, connection, course) : connection;
}

/** Ends the connection that this one replaces, if it still stands. */
export async function closeReplaced(
  components: ActsComponents,
  { replaces }: Connection,
  course: Course,
): Promise<void> {
  const replaced = replaces && components.connections.byId(replaces.id);
  if (replaced) await remove(components, end(components, replaced, replacedByAnother, 'peer'), course);
}

/** How a replaced connection ends. */
export interface Ending {
  readonly reason: string;
  readonly tell: Tell;
  /** Milliseconds for which the connection is kept for packets on their way through it. */
  readonly lingerMs: number;
}

/**
 * Puts an established connection in the place of the replaced one, and has that closed. A promotion that a kill or a
 * forwarder's absence interrupted goes on where it was.
 * @throws NsmError when the connection cannot take over; where the replaced one still stands, it stands as before, and the new
 * connection is closed.
 */
export async function promote(
  components: ActsComponents,
  connection: Connection,
  course: Course,
  { reason, tell, lingerMs }: Ending = { reason: replacedByAnother, tell: 'peer', lingerMs: 0 },
): Promise<Connection> {
  const { connections, forwarder, stopping } = components;
  const replaced = connection.replaces && connections.byId(connection.replaces.id);
  if (!replaced) return await settle(components, connection, course);
  const routed = isClosed(replaced)
    ? connection
    : await routeBefore(components, connection, replaced, course);
  const ending = end(components, replaced, reason, tell);
  // Once the new connection stands alone, only this record tells a restart that the old one is to go.
  await connections.put(ending);
  if (lingerMs > 0)
    await course.step('wait for packets under way', () => components.clock.sleep(lingerMs, stopping));
  await course.step('remove the former interface', () =>
    forwarder.remove({ crossConnects: [ending.crossConnect] }),
  );
  const settled = await settle(components, routed, course);
  await remove(components, ending, course);
  return settled;
}

/** Gives the interface its final name, which no other interface has any more: the connection stands alone from now on. */
async function settle(
  { connections, forwarder }: ActsComponents,
  connection: Connection,
  course: Course,
): Promise<Connection> {
  const { replaces: _replaced, ...rest } = connection;
  const { clientParameters } = rest;
  const interfaceName = nameToBe(connection);
  const { crossConnect, ...settled } = withPorts(
    { ...rest, clientParameters: { ...clientParameters, interfaceName } },
    { formerName: clientParameters.interfaceName },
  );
  const applied = asRecorded(await course.step('name the interface', () => forwarder.apply(crossConnect)));
  const done: Connection = {
    ...settled,
    crossConnect: {
      ...applied,
      ...(applied.client ? { client: { ...applied.client, formerName: '' } } : {}),
    },
  };
  await connections.put(done);
  return connections.byId(done.id) ?? done;
}

/** Routes of the new connection go before those of the old one; its interface gets its name, unless the old one has that name. */
async function routeBefore(
  components: ActsComponents,
  connection: Connection,
  replaced: Connection,
  course: Course,
): Promise<Connection> {
  const { connections, forwarder } = components;
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
    await course.step('take over the routes', () => forwarder.apply(routed.crossConnect));
    await connections.put(routed);
    return routed;
  } catch (error) {
    await remove(components, end(components, routed, 'it could not take over', 'peer'), course);
    // Some of its routes may have been taken; if they are not put back now, a comparison does it.
    await forwarder.apply(replaced.crossConnect).catch(() => undefined);
    throw error;
  }
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
              ...portOf(chosen, client.namespace, client.uid, clientParameters, endpointParameters),
              ...more,
            },
          }
        : {}),
      ...(endpoint?.namespace
        ? {
            endpoint: {
              ...endpoint,
              ...portOf(
                endpointInterface,
                endpoint.namespace,
                endpoint.uid,
                endpointParameters,
                clientParameters,
              ),
              takesOver: more.takesOver ?? '',
            },
          }
        : {}),
    },
  };
}
