// The story of a request from another manager, whose client wants an endpoint of this node: top to bottom.
import { createHash, randomUUID } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type CallContext, forwarder as fw, InterfaceSchema, InterfaceType, NsmError, proxy } from '@nsm/api';
import { obstacles } from '../addresses/allocation.js';
import { quote } from '../admission/admission.js';
import { tunnelledMtu, wireMtu } from '../choice/mtu.js';
import {
  chooseInterfaces,
  chooseTunnel,
  hasOwnWire,
  interfaceList,
  restrictTunnels,
} from '../choice/negotiation.js';
import { onOneNetwork, poolOf } from '../choice/physical-networks.js';
import { closeConnection } from '../life/closing.js';
import { compare } from '../life/mending.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import type { Node } from '../node.js';
import { type Connection, connectionHash, hashOf } from '../state/connection.js';
import { askEndpoint, portOf } from './endpoint-side.js';
import { declareUp, program } from './programming.js';
import { hasDevice, placeSockets } from './shared-memory.js';
import { Transaction } from './transaction.js';

/**
 * Makes this node's half of a connection, for a well-formed request, and tells the other manager how to make its own.
 * @throws NsmError for every refusal; then nothing of the request is left on this node.
 */
export async function requestProxyConnection(
  node: Node,
  request: proxy.ProxyConnectionRequest,
  caller: CallContext,
): Promise<Connection> {
  const key = proxyKey(request);
  const fingerprint = createHash('sha256')
    .update(toBinary(proxy.ProxyConnectionRequestSchema, request))
    .digest('hex');
  const signal = AbortSignal.any([caller.signal, AbortSignal.timeout(node.requestTimeout)]);

  return await node.mutex.run(key, async () => {
    const present = node.connections.byKey(key);
    if (present?.fingerprint === fingerprint && present.state.kind === 'UP') {
      const intact = await compare(node, present).catch(() => undefined);
      if (intact) return intact;
    }
    // The client's manager knows best: what it asked for before, it no longer has.
    if (present) await closeConnection(node, present, 'replaced by a changed request', { tellPeer: false });
    const transaction = new Transaction(signal, node.faults);
    try {
      const connection = await connectEndpoint(
        node,
        request,
        { key, fingerprint },
        caller.remoteAddress ?? '',
        transaction,
      );
      // A caller that has gone does not hear that there is a half to close.
      signal.throwIfAborted();
      return declareUp(node, connection);
    } catch (thrown) {
      const error = transaction.failure(thrown);
      for (const failure of await transaction.rollback(error))
        node.logger.error({ err: failure }, 'a step was not undone');
      node.logger.info(
        {
          service: request.networkServiceName,
          request: request.requestId,
          endpoint: request.nseProviderName,
          manager: request.clientManagerName,
          err: error,
        },
        'endpoint not connected',
      );
      throw error;
    }
  });
}

async function connectEndpoint(
  node: Node,
  request: proxy.ProxyConnectionRequest,
  identity: { readonly key: string; readonly fingerprint: string },
  callerAddress: string,
  transaction: Transaction,
): Promise<Connection> {
  const [endpoint] = node.endpoints.matching(
    request.nseProviderName,
    request.nseProviderNamespace,
    request.networkServiceName,
  );
  if (node.drained) throw new NsmError('no-endpoint', `node ${quote(node.name)} is drained`);
  if (!endpoint || node.endpoints.isLeaving(endpoint)) {
    throw new NsmError(
      'no-endpoint',
      `endpoint ${quote(request.nseProviderName)} does not provide ${quote(request.networkServiceName)} here`,
    );
  }
  const wanted =
    request.interface.length > 0
      ? request.interface
      : [create(InterfaceSchema, { type: InterfaceType.DEFAULT_INTERFACE })];
  // A manager that knows only the specification names no physical network.
  const onNetwork = (type: InterfaceType): boolean => wanted.some((one) => one.type === type && poolOf(one));
  const chosen = chooseInterfaces(
    wanted,
    endpoint.interface,
    (theirs, own) => node.joins.remotely(own, theirs) && (!hasOwnWire(own) || onNetwork(own)),
  );
  if (!chosen) {
    throw new NsmError(
      'no-common-interface',
      `no interface types that can be joined: the client asks for ${interfaceList(wanted)}, the endpoint offers ` +
        `${interfaceList(endpoint.interface)}, its node can join ${node.joins.list('tunnelled')} to another node` +
        node.lacking.ofInterfaces(new Set(endpoint.interface.map(({ type }) => type)), 'tunnelled'),
    );
  }

  const agreed = onOneNetwork(chosen, node.physical);
  const tunnel = hasOwnWire(agreed.client.type)
    ? undefined
    : await agreeOnTunnel(node, request, agreed.endpoint.type, callerAddress, transaction);
  const mtu = tunnel ? tunnelledMtu(tunnel.mtu, agreed.client, request.toldMtu) : wireMtu(agreed.client);

  const hash = request.connectionId === '' ? connectionHash(identity.key) : hashOf(request.connectionId);
  const id = `${node.idPrefix}${hash}`;
  const holder = node.connections.byId(id);
  if (holder && holder.key !== identity.key)
    throw new NsmError(
      'conflict',
      `connection ${quote(request.connectionId)} collides with another; use another request_id`,
    );
  const uid = node.endpoints.uidOf(endpoint) ?? 0;
  const placed = await placeSockets(node, transaction, id, {
    endpoint: { interface: agreed.endpoint, uid },
  });
  const plan = await askEndpoint(node, transaction, {
    id,
    hash,
    requestId: request.requestId,
    endpoint,
    labels: request.labels,
    interface: placed.endpoint,
    excluded: obstacles(node, request.excludedPrefixes),
    offered: request.addressPairs,
    offeredIsOwn: false,
    mtu,
  });
  if (hasDevice(placed.endpoint))
    await refuseCut(node, [
      {
        side: 'endpoint',
        namespace: plan.namespace,
        parameters: plan.endpoint,
        endpoint: endpoint.nseProviderName,
        ...(tunnel ? { remote: tunnel.end.remote } : {}),
      },
    ]);
  return await program(node, transaction, {
    id,
    ...identity,
    role: 'ENDPOINT',
    requestId: request.requestId,
    service: request.networkServiceName,
    generation: 1,
    endpoint: { name: endpoint.nseProviderName, namespace: endpoint.nseProviderNamespace },
    peer: {
      manager: request.clientManagerName,
      address: request.clientManagerAddress,
      connectionId: request.connectionId,
    },
    halfId: randomUUID(),
    interface: agreed.client,
    endpointInterface: placed.endpoint,
    clientParameters: plan.client,
    endpointParameters: plan.endpoint,
    ...(tunnel ? { tunnel: { type: tunnel.end.type, identifier: tunnel.end.identifier } } : {}),
    pairs: plan.pairs,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      endpoint: { ...portOf(placed.endpoint, plan.namespace, uid, plan.endpoint), beside: plan.beside },
      ...(tunnel ? { tunnel: tunnel.end } : {}),
    }),
    state: { kind: 'CONNECTING' },
    since: node.now(),
  });
}

/** This node's end of the tunnel, and the MTU through it, bytes. */
async function agreeOnTunnel(
  node: Node,
  request: proxy.ProxyConnectionRequest,
  own: InterfaceType,
  callerAddress: string,
  transaction: Transaction,
) {
  // A manager that knows only the specification tells no address: its call came from one.
  const remote =
    request.tunnelType.find(({ parameters }) => parameters?.address)?.parameters?.address ?? callerAddress;
  const { tunnels, obstacles } = await node.offers.to(remote);
  const { theirs, ours } = chooseTunnel(
    request.tunnelType,
    restrictTunnels(tunnels, node.tunnels, request.networkServiceName).filter(({ type }) =>
      node.joins.tunnelled(own, type),
    ),
    (types) => node.lacking.ofTunnels(types, obstacles),
  );
  const identifier = await transaction.step(
    'take a tunnel identifier',
    () => takeIdentifier(node, theirs.parameters?.proposedIdentifiers ?? []),
    (taken) => node.identifiers.release(taken),
  );
  const { address: local = '', port = 0, mtu = 0 } = ours.parameters ?? {};
  return {
    end: { type: ours.type, local, remote, identifier, port },
    mtu: Math.min(theirs.parameters?.mtu || Number.POSITIVE_INFINITY, mtu),
  };
}

/** The reply that tells the client's manager what was agreed. */
export function proxyReply({
  crossConnect: { tunnel },
  interface: chosen,
  endpointInterface,
  clientParameters,
  halfId = '',
}: Connection): Reply {
  return {
    accepted: true,
    halfId,
    ...(tunnel
      ? {
          tunnel: {
            type: tunnel.type,
            parameters: {
              address: tunnel.local,
              identifier: tunnel.identifier,
              port: tunnel.port,
              mtu: clientParameters.mtu,
            },
          },
        }
      : {}),
    interface: chosen,
    ...(endpointInterface ? { endpointInterface: { type: endpointInterface.type } } : {}),
    connectionParameters: clientParameters,
  };
}

type Reply = MessageInitShape<typeof proxy.ProxyConnectionReplySchema>;

/** Under which a request of another manager is idempotent. */
export function proxyKey({
  connectionId,
  requestId,
  networkServiceName,
}: {
  connectionId: string;
  requestId: string;
  networkServiceName: string;
}): string {
  return connectionId === '' ? `proxy ${networkServiceName}/${requestId}` : `proxy ${connectionId}`;
}

function takeIdentifier({ identifiers }: Node, proposed: readonly number[]): number {
  const candidates = proposed.length > 0 ? proposed : identifiers.propose(1).identifiers;
  const taken =
    proposed.length > 0 ? candidates.find((identifier) => identifiers.take(identifier)) : candidates[0];
  if (taken === undefined)
    throw new NsmError('no-identifier', 'every tunnel identifier proposed is in use on this node; try again');
  return taken;
}
