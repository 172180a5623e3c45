// The half of a connection that is made for another manager, whose client wants an endpoint of this node: top to bottom.
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { forwarder as fw, NsmError } from '@nsm/api';
import type { Course } from '@nsm/observe';
import { obstacles } from '../addresses/allocation.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import { providerOf } from '../policy/subjects.js';
import { type Connection, connectionHash, hashOf, type ServedFor } from '../state/connection.js';
import { foreignHolder } from '../state/holder.js';
import { quote } from '../untrusted-text.js';
import { agreeOnHalf, type HalfRequest } from './agree-on-half.js';
import { takeIdentifier } from './agree-on-tunnel.js';
import { connectionId } from './attempt.js';
import type { RequestComponents } from './components.js';
import { askEndpoint } from './endpoint-side.js';
import { portOf } from './port.js';
import { declareUp, program } from './programming.js';
import { placeSockets } from './shared-memory.js';
import { allOrNothing, type Transaction } from './transaction.js';

export interface HalfOrder extends HalfRequest, Pick<Connection, 'key' | 'fingerprint'> {}

/**
 * Makes this node's half of a connection, whose client is on another node.
 * @throws NsmError for every refusal; then nothing of the request is left on this node.
 */
export async function makeHalf(
  components: RequestComponents,
  order: HalfOrder,
  signal: AbortSignal,
  course: Course,
): Promise<Connection> {
  const { request } = order;
  try {
    return await allOrNothing(components, signal, course, async (transaction) => {
      const connection = await connectEndpoint(components, order, transaction);
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
  order: HalfOrder,
  transaction: Transaction,
): Promise<Connection> {
  const { request, key, fingerprint, client } = order;
  const { course } = transaction;
  const { endpoint, agreed, verdict, tunnel, mtu } = await agreeOnHalf(components, order, course);
  const end = tunnel && {
    ...tunnel.end,
    identifier: await takeIdentifier(components, tunnel, transaction),
  };
  const hash = request.connectionId === '' ? connectionHash(key) : hashOf(request.connectionId);
  const id = connectionId(components, hash);
  refuseCollision(components, id, key);
  const uid = components.endpoints.uidOf(endpoint) ?? 0;
  const placed = await placeSockets(components, transaction, id, {
    endpoint: { interface: agreed.endpoint, uid },
  });
  const servedFor = servedForOf(components, order);
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
    holder: foreignHolder(client),
  });
  await refuseCut(components, course, [
    {
      side: 'endpoint',
      type: placed.endpoint.type,
      namespace: plan.namespace,
      parameters: plan.endpoint,
      endpoint: endpoint.nseProviderName,
      remote: tunnel?.end.remote,
    },
  ]);
  return await program(components, transaction, {
    id,
    fingerprint,
    client,
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

/** The other manager, its client and the request, by which the endpoint's half is found again. */
function servedForOf(
  { registry }: RequestComponents,
  { key, request: { clientManagerName: manager, connectionId, clientKey, requestId } }: HalfOrder,
): ServedFor {
  // From the registry, never from the request: this manager would call whatever address a request names.
  const address = registry.managers().get(manager)?.address ?? '';
  const peer = { manager, address, connectionId };
  return { role: 'ENDPOINT', key, peer, requestId, ...(clientKey ? { clientKey } : {}) };
}

/** @throws NsmError `conflict` when a half of another request has the id. */
function refuseCollision({ connections }: RequestComponents, id: string, key: string): void {
  const holder = connections.byId(id);
  if (!holder || holder.key === key) return;
  throw new NsmError('conflict', `connection ${quote(id)} collides with another; use another request_id`);
}
