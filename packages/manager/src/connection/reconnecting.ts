// A client whose endpoint was lost, or is to be left, is connected elsewhere without asking: same interface name and, where the
// endpoint allows, same addresses.
import { deadline, type forwarder as fw, NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { releasePairs } from '../addresses/allocation.js';
import { type Admitted, nameToBe } from '../request/attempt.js';
import { type Connection, hashOf, isClosed, newConnectionHash, stateOf } from '../state/connection.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import { end, forgetRoutes, tellOthers } from './closing.js';
import type { ActsComponents, Work } from './components.js';
import { type Facts, forgetHalf, type PathFailure } from './facts.js';
import type { ConnectOrder, MoveOrder } from './orders.js';
import { closeReplaced, type Ending, promote } from './replacement.js';

/** Takes down what led to the lost endpoint; what is the client's own, its addresses above all, is kept for it. */
export async function detach(
  components: ActsComponents,
  connection: Connection,
  reason: string,
  course: Course,
): Promise<Connection> {
  const { connections, forwarder, identifiers, logger } = components;
  const leaving = connections.change(connection, { phase: { kind: 'DETACHING', reason } });
  logger.info({ connection: connection.id, reason, trace: course.traceId }, 'healing');
  await Promise.all([
    course.step('remove the interface', () => forwarder.remove({ crossConnects: [leaving.crossConnect] })),
    // A manager that does not answer is the likely reason; once that manager answers, it is asked anew or told of the end.
    tellOthers(components, leaving, reason, 'peer', course).catch(() => undefined),
  ]);
  forgetRoutes(components, leaving);
  if (leaving.tunnel) identifiers.release(leaving.tunnel.identifier);
  const { tunnel: _released, ...rest } = leaving;
  const lost: Connection = { ...rest, phase: { kind: 'LOST', reason, attempt: 0 } };
  await course.step('record the loss', () => connections.put(lost));
  return lost;
}

/** @throws NsmError when no endpoint can be connected now. */
export async function heal(
  components: ActsComponents,
  connection: Connection,
  { signal, course }: Work,
): Promise<void> {
  const { connections } = components;
  const { phase } = connection;
  if (phase.kind !== 'LOST') return;
  try {
    const within = deadline(components.requestTimeoutMs, signal);
    await reconnect(components, connection, { signal: within, course });
  } catch (thrown) {
    const current = connections.byId(connection.id);
    if (current && isClosed(current)) return;
    if (current?.phase.kind === 'LOST') {
      const failure = NsmError.from(thrown).message;
      connections.change(current, { phase: { ...phase, attempt: phase.attempt + 1, failure } });
    }
    throw thrown;
  }
}

/** Attempts to connect a client that has lost its endpoint; the connection of a client whose namespace is gone ends. */
async function reconnect(
  components: ActsComponents,
  lost: Connection,
  { signal, course }: Work,
): Promise<Connection> {
  const { id, pairs, generation } = lost;
  await closeReplaced(components, lost, course);
  const namespace = await course.step('look up the client', () => clientNamespace(components, lost));
  if (!namespace) {
    const reason = 'the network namespace of the client is gone';
    end(components, lost, reason, 'peer');
    throw new NsmError('namespace-unknown', reason);
  }
  const healed = await establishAgain(
    components,
    lost,
    { namespace, generation, hash: hashOf(id), course },
    signal,
  );
  releasePairs(
    components,
    pairs.filter(({ prefix }) => !healed.pairs.some((pair) => pair.prefix === prefix)),
  );
  return healed;
}

/** Makes a connection again, for the same client, which keeps addresses and interface name where possible. */
async function establishAgain(
  components: ActsComponents,
  former: Connection,
  again: Pick<Admitted, 'namespace' | 'generation' | 'hash' | 'course' | 'avoid' | 'beside'>,
  signal: AbortSignal,
): Promise<Connection> {
  const { id, request, owner, key, fingerprint, pairs, provider, crossConnect } = former;
  if (!request || !owner) throw new NsmError('internal', `${id} has no client to connect again`);
  const admitted = {
    request,
    owner,
    key,
    fingerprint,
    ...again,
    client: components.clientOf(former),
    uid: crossConnect.client?.uid ?? 0,
    former: {
      pairs,
      interfaceName: nameToBe(former),
      interface: former.interface,
      mtu: former.clientParameters.mtu,
      trusted: provider?.trusted === true,
    },
  };
  return await components.establish(admitted, signal);
}

/** Connects a client that waits again at once; where that fails, the reconciler tries later. */
export async function reconnectNow(
  components: ActsComponents,
  connection: Connection,
  { signal }: ConnectOrder,
  facts: Facts,
  work: Work,
): Promise<Connection> {
  const { course } = work;
  const { phase } = connection;
  const reason = facts.lost ?? ('reason' in phase ? phase.reason : 'its client asks for it again');
  forgetHalf(facts);
  const lost = phase.kind === 'LOST' ? connection : await detach(components, connection, reason, course);
  return await reconnect(components, lost, { signal: AbortSignal.any([signal, work.signal]), course });
}

/** How a connection leaves its endpoint. */
interface Leaving extends Pick<MoveOrder, 'reason' | 'avoid'>, Ending {}

/**
 * Replaces a connection by one to an endpoint that is not to be avoided: same interface name and, where the endpoint
 * allows, same addresses.
 * @throws NsmError when no other endpoint can take the client; then the connection is as before.
 */
export async function move(
  components: ActsComponents,
  present: Connection,
  { reason, avoid, lingerMs, tell }: Leaving,
  { signal, course }: Work,
): Promise<void> {
  const { id, key } = present;
  const namespace = await course.step('look up the client', () => clientNamespace(components, present));
  if (!namespace) throw new NsmError('namespace-unknown', 'the network namespace of the client is gone');
  await closeReplaced(components, present, course);
  const generation = components.connections.nextGeneration(key);
  const moved = await establishAgain(
    components,
    present,
    { namespace, generation, hash: newConnectionHash(), course, avoid, beside: present },
    deadline(components.requestTimeoutMs, signal),
  );
  const to = { to: moved.id, endpoint: moved.endpoint.name };
  components.logger.info({ connection: id, ...to, reason, trace: course.traceId }, 'moved');
  await promote(components, moved, course, { reason: `moved to ${moved.id}: ${reason}`, tell, lingerMs });
}

/** Moves a client away from an endpoint that no packets come back from; where no other endpoint can take it, the client waits. */
export async function evade(
  components: ActsComponents,
  connection: Connection,
  { reason, avoid }: PathFailure,
  work: Work,
): Promise<void> {
  try {
    await move(components, connection, { reason, avoid, lingerMs: 0, tell: 'once' }, work);
  } catch (thrown) {
    work.course.end(thrown);
    const present = components.connections.byId(connection.id);
    // A connection that is undone again and again keeps that as its reason.
    if (!present || isClosed(present) || stateOf(present) === 'STALE') return;
    const why = NsmError.from(thrown).message;
    awaitPackets(components, present, `${reason}; waiting, as no other endpoint can take its client: ${why}`);
  }
}

export function awaitPackets(components: ActsComponents, connection: Connection, reason: string): void {
  const { connections, logger } = components;
  const { id, phase } = connection;
  if (phase.kind === 'UP') logger.warn({ connection: id }, reason);
  const attempt = phase.kind === 'WAITING' ? phase.attempt + 1 : 1;
  connections.change(connection, { phase: { kind: 'WAITING', reason, attempt } });
}

/** The client's network namespace as it is now; undefined when the namespace is gone, though another may have its inode. */
async function clientNamespace(
  { forwarder }: Pick<ActsComponents, 'forwarder'>,
  { crossConnect }: Connection,
): Promise<fw.Namespace | undefined> {
  const former = crossConnect.client?.namespace;
  if (!former) return undefined;
  try {
    const { namespace } = await forwarder.inspectNamespace({ linuxNamespace: String(former.inode) });
    return isSameNamespace(namespace, former) ? namespace : undefined;
  } catch (thrown) {
    if (NsmError.from(thrown).kind === 'namespace-unknown') return undefined;
    throw thrown;
  }
}
