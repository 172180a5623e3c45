// A client's well-formed request becomes an order: what it asks for and for whom is found out here, and no more.
import { connect, deadline, NsmError, type PeerCredentials } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { admitConnectionRequest } from '../admission/admission.js';
import { admitPodUid } from '../admission/pod-uid.js';
import { connectionId } from '../request/attempt.js';
import { establish } from '../request/establish.js';
import { type Connection, newConnectionHash, type Owner, requestKey } from '../state/connection.js';
import { type Holder, ownHolder } from '../state/holder.js';
import type { ServiceComponents } from './components.js';
import { fingerprintOf, inNormalForm } from './fingerprint.js';

export interface ClientCall {
  readonly peer?: PeerCredentials | undefined;
  readonly signal: AbortSignal;
  /** The trace that the call belongs to, unchecked. */
  readonly traceparent?: string;
  /** What else the connection's record is to say of whom it is for. */
  readonly marks?: Pick<Owner, 'annotated'>;
}

/**
 * Gives a client the connection it asks for, at its turn among those of others.
 * @throws NsmError as `requestConnection`, and `overload`.
 */
export async function connectInTurn(
  components: ServiceComponents,
  request: connect.ConnectionRequest,
  call: ClientCall,
): Promise<Connection> {
  const subject = {
    service: request.networkServiceName,
    by: call.marks?.annotated ? 'annotation' : 'client',
  };
  const course = components.courses.begin('connect', subject, call.traceparent);
  return await course.whole(() =>
    components.underWay.run(request, call.peer, (closed) => {
      const signal = AbortSignal.any([call.signal, closed]);
      return takeTurn(components, request, { ...call, signal }, course);
    }),
  );
}

async function takeTurn(
  components: ServiceComponents,
  request: connect.ConnectionRequest,
  call: ClientCall,
  course: Course,
): Promise<Connection> {
  const { peer, signal } = call;
  admitConnectionRequest(request);
  const { guard, connections, intake, shares } = components;
  const { requestId, networkServiceName: service, linuxNamespace } = request;
  const asker = guard.askerOf(linuxNamespace, peer);
  connections.note(guard.namespaceOf(peer));
  const reserve = (): (() => void) => shares.take('requests', callingHolder(components, peer));
  return await intake.run({ asker, service, requestId, reserve }, signal, () => {
    course.waited('wait for its turn', 0);
    return requestConnection(components, request, call, course);
  });
}

/** Whose the call is. @throws NsmError `namespace-foreign` where that is not known. */
export function callingHolder(
  { guard }: Pick<ServiceComponents, 'guard'>,
  peer: PeerCredentials | undefined,
): Holder {
  const namespace = guard.namespaceOf(peer);
  return { uid: peer?.uid ?? 0, gid: peer?.gid ?? 0, namespace };
}

/**
 * Gives a client the connection it asks for. The same request gets the same connection, however often it comes.
 * @throws NsmError for every refusal; then nothing of this request is left on any node.
 */
async function requestConnection(
  components: ServiceComponents,
  request: connect.ConnectionRequest,
  { peer, signal: caller, marks }: ClientCall,
  course: Course,
): Promise<Connection> {
  const namespace = await course.step('look up the client', () =>
    components.guard.admitClient(request.linuxNamespace, peer),
  );
  admitPodUid(request.requestId, namespace.inode, components.pods);
  const key = requestKey(namespace, request.requestId, request.networkServiceName);
  const { inode, cookie } = namespace;
  const process = components.owners.processOf(request, peer);
  const owner: Owner = { namespace: inode, ...(cookie ? { cookie } : {}), ...process, ...marks };
  const fingerprint = fingerprintOf(
    connect.ConnectionRequestSchema,
    inNormalForm({ ...request, linuxNamespace: '' }),
    { namespace: inode, ...process },
  );
  const signal = deadline(components.requestTimeoutMs, caller);
  const { uid, gid, pid } = peer ?? { uid: 0, gid: 0, pid: 0 };
  const client = components.subjects.of({ uid, gid, pid }, namespace);
  const holder = ownHolder({ uid, client, namespace });
  const admitted = { request, key, fingerprint, owner, namespace, client, uid, course };
  const { refusals } = components;
  const ordered = components.reconciler.order(key, {
    kind: 'connect',
    fingerprint,
    course,
    signal,
    make: async (interrupted, beside) => {
      const { connections, shares, gate, catalogue } = components;
      const hash = newConnectionHash();
      const ruled = gate.limitOf('connections', client, catalogue.of(request.networkServiceName));
      if (!beside)
        shares.require('connections', holder, connections.holdings.connectionsOf(holder), { ruled });
      // From now on it counts: others that are asked for meanwhile must not overshoot.
      const ended = connections.holdings.expect(connectionId(components, hash), holder);
      const generation = connections.nextGeneration(key);
      try {
        return await establish(
          components,
          { ...admitted, generation, hash, ...(beside ? { beside } : {}) },
          AbortSignal.any([signal, interrupted]),
        );
      } finally {
        ended();
      }
    },
  });
  const connection = await ordered.catch((thrown: unknown) => {
    refusals.note(namespace, request, client, NsmError.from(thrown));
    throw thrown;
  });
  refusals.forget(namespace, request.networkServiceName);
  if (!connection) throw new NsmError('internal', `no connection for request_id ${request.requestId}`);
  return connection;
}
