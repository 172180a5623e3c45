// The half of a connection that is made for another manager, whose client wants an endpoint of this node: top to bottom.
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, NsmError, type proxy, type Subject } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { obstacles } from '../addresses/allocation.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import { providerOf } from '../policy/subjects.js';
import { type Connection, connectionHash, hashOf } from '../state/connection.js';
import { foreignHolder } from '../state/holder.js';
import { quote } from '../untrusted-text.js';
import { agreeOnHalf } from './agree-on-half.js';
import { takeIdentifier } from './agree-on-tunnel.js';
import { connectionId } from './attempt.js';
import type { RequestComponents } from './components.js';
import { askEndpoint } from './endpoint-side.js';
import { portOf } from './port.js';
import { declareUp, program } from './programming.js';
import { placeSockets } from './shared-memory.js';
import { allOrNothing, type Transaction } from './transaction.js';

export interface HalfIdentity {
  readonly key: string;
  readonly fingerprint: string;
  readonly client: Subject;
}

export interface HalfCaller {
  /** IP address of the client's manager. */
  readonly address: string;
  readonly signal: AbortSignal;
  /** Of that manager's order. */
  readonly course: Course;
}

/**
 * Makes this node's half of a connection, whose client is on another node.
 * @throws NsmError for every refusal; then nothing of the request is left on this node.
 */
export async function makeHalf(
  components: RequestComponents,
  request: proxy.ProxyConnectionRequest,
  identity: HalfIdentity,
  { address, signal, course }: HalfCaller,
): Promise<Connection> {
  try {
    return await allOrNothing(components, signal, course, async (transaction) => {
      const connection = await connectEndpoint(components, request, identity, address, transaction);
      // A caller that has gone does not hear that there is a half to close.
      signal.throwIfAborted();
      return declareUp(components, connection, course);
    });
  } catch (error) {
    components.logger.info(
      {
        service: request.networkServiceName,
        request: request.requestId,
        endpoint: request.nseProviderName,
        peer: request.clientManagerName,
        trace: course.traceId,
        err: error,
      },
      'endpoint not connected',
    );
    throw error;
  }
}

async function connectEndpoint(
  components: RequestComponents,
  request: proxy.ProxyConnectionRequest,
  identity: HalfIdentity,
  callerAddress: string,
  transaction: Transaction,
): Promise<Connection> {
  const { endpoint, agreed, verdict, tunnel, mtu } = await agreeOnHalf(
    components,
    request,
    identity.client,
    callerAddress,
    transaction.course,
  );
  const end = tunnel && {
    ...tunnel.end,
    identifier: await takeIdentifier(components, tunnel, transaction),
  };
  const hash = request.connectionId === '' ? connectionHash(identity.key) : hashOf(request.connectionId);
  const id = connectionId(components, hash);
  refuseCollision(components, id, identity.key);
  const uid = components.endpoints.uidOf(endpoint) ?? 0;
  const placed = await placeSockets(components, transaction, id, {
    endpoint: { interface: agreed.endpoint, uid },
  });
  const peer = {
    manager: request.clientManagerName,
    // From the registry, never from the request: this manager would call whatever address a request names.
    address: components.registry.managers().get(request.clientManagerName)?.address ?? '',
    connectionId: request.connectionId,
  };
  const { clientKey, requestId } = request;
  const servedFor = {
    ...({ role: 'ENDPOINT', key: identity.key, peer, requestId } as const),
    ...(clientKey ? { clientKey } : {}),
  };
  const plan = await askEndpoint(components, transaction, {
    id,
    hash,
    client: servedFor,
    endpoint,
    labels: request.labels,
    interface: placed.endpoint,
    excluded: obstacles(components, request.excludedPrefixes),
    offered: request.addressPairs,
    offeredIsOwn: false,
    mtu,
    verdict,
    holder: foreignHolder(identity.client),
  });
  await transaction.course.step('see whether it cuts ways off', () =>
    refuseCut(components, [
      {
        side: 'endpoint',
        type: placed.endpoint.type,
        namespace: plan.namespace,
        parameters: plan.endpoint,
        endpoint: endpoint.nseProviderName,
        remote: tunnel?.end.remote,
      },
    ]),
  );
  return await program(components, transaction, {
    id,
    ...identity,
    ...servedFor,
    provider: providerOf(endpoint),
    servedAs: plan.servedAs,
    service: request.networkServiceName,
    generation: 1,
    endpoint: { name: endpoint.nseProviderName, namespace: endpoint.nseProviderNamespace },
    halfId: request.halfId || randomUUID(),
    interface: agreed.client,
    endpointInterface: placed.endpoint,
    clientParameters: plan.client,
    endpointParameters: plan.endpoint,
    ...(end ? { tunnel: { type: end.type, identifier: end.identifier } } : {}),
    pairs: plan.pairs,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      endpoint: {
        ...portOf(placed.endpoint, plan.namespace, uid, plan.endpoint, plan.client),
        beside: plan.beside,
      },
      tunnel: end,
    }),
    intent: { kind: 'connected' },
    phase: { kind: 'CONNECTING' },
    since: components.connections.now(),
  });
}

/** @throws NsmError `conflict` when a half of another request has the id. */
function refuseCollision({ connections }: RequestComponents, id: string, key: string): void {
  const holder = connections.byId(id);
  if (!holder || holder.key === key) return;
  throw new NsmError('conflict', `connection ${quote(id)} collides with another; use another request_id`);
}
