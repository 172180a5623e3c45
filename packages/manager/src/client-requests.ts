// The story of a client's request, from its admission to the connection: read from top to bottom.

import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  ConnectionParametersSchema,
  type connect,
  forwarder as fw,
  type Interface,
  type NetworkServiceEndpoint,
  NsmError,
  type PeerCredentials,
  type proxy,
} from '@nsm/api';
import { admitConnectionRequest, quote } from './admission.js';
import { closeConnection } from './closing.js';
import { type Connection, connectionHash, macOf, type Owner, requestKey } from './connection.js';
import { askEndpoint, portOf } from './endpoint-side.js';
import { chooseInterface } from './negotiation.js';
import { addressOf, knownServices, type Node, surroundings } from './node.js';
import { parsePrefix } from './prefix.js';
import { declareUp, program } from './programming.js';
import { selectEndpoints } from './selection.js';
import { Transaction } from './transaction.js';

/** A request tries at most this many endpoints. */
const maxCandidates = 5;
/** Milliseconds within which the first packet must have gone through a new tunnel and back. */
const probeTimeout = 3000;
/** Tunnel identifiers proposed to the other manager: hardly ever are all of them taken there. */
const identifiersProposed = 4;
/** MTU of a connection on one node, bytes: what every application expects of an Ethernet. */
const localMtu = 1500;

/** A request that has been admitted, with what admission found out. */
interface Admitted {
  readonly request: connect.ConnectionRequest;
  readonly key: string;
  readonly fingerprint: string;
  readonly owner: Owner;
  readonly namespace: fw.Namespace;
}

/**
 * Gives a client the connection it asks for. The same request gets the same connection, however often it comes.
 * @throws NsmError for every refusal; then nothing of this request is left on any node.
 */
export async function requestConnection(
  node: Node,
  request: connect.ConnectionRequest,
  peer: PeerCredentials | undefined,
  caller: AbortSignal,
): Promise<Connection> {
  admitConnectionRequest(request);
  const namespace = await node.guard.admitClient(request.linuxNamespace, peer);
  const key = requestKey(request.requestId, request.networkServiceName);
  const owner: Owner = { namespace: namespace.inode, ...node.owners.processOf(request, peer) };
  const admitted: Admitted = { request, key, namespace, owner, fingerprint: fingerprintOf(request, owner) };
  const signal = AbortSignal.any([caller, AbortSignal.timeout(node.requestTimeout)]);

  return await node.mutex.run(key, async () => {
    const present = node.connections.byKey(key);
    if (present && present.owner?.namespace !== owner.namespace && !node.guard.speaksForOthers(peer)) {
      throw new NsmError(
        'conflict',
        `request_id ${quote(request.requestId)} is in use by a pod in another network namespace; use the Pod UID`,
      );
    }
    if (present?.fingerprint === admitted.fingerprint && present.state.kind === 'UP') return present;
    const connection = await establish(node, admitted, (present?.generation ?? 0) + 1, signal);
    // Only now that the changed connection carries packets may the old one go.
    if (present) await closeConnection(node, present, 'replaced by a changed request');
    return connection;
  });
}

/** Tries the endpoints in order until one carries packets. */
async function establish(
  node: Node,
  admitted: Admitted,
  generation: number,
  signal: AbortSignal,
): Promise<Connection> {
  const { request } = admitted;
  const wanted = {
    service: request.networkServiceName,
    labels: request.labels,
    interfaces: request.interface,
  };
  const candidates = selectEndpoints(wanted, surroundings(node, wanted.service), () => knownServices(node));
  const failures: NsmError[] = [];
  for (const endpoint of candidates.slice(0, maxCandidates)) {
    node.health.chosen(endpoint);
    const transaction = new Transaction(signal, node.faults);
    try {
      const local = endpoint.networkServiceHost === node.name;
      const connection = await (local ? connectLocally : connectRemotely)(
        node,
        admitted,
        endpoint,
        generation,
        transaction,
      );
      node.owners.hold(connection);
      return declareUp(node, connection);
    } catch (thrown) {
      const error = NsmError.from(signal.aborted ? signal.reason : thrown);
      for (const failure of await transaction.rollback())
        node.logger.error({ err: failure }, 'a step was not undone');
      node.logger.info(
        {
          service: wanted.service,
          request: request.requestId,
          endpoint: endpoint.nseProviderName,
          err: error,
        },
        'endpoint not connected',
      );
      failures.push(error);
      if (signal.aborted || error.kind === 'namespace-unknown') break;
      node.health.failed(endpoint, error.message);
    }
  }
  throw summary(failures);
}

/** Client and endpoint on this node: one wire between two pods. */
async function connectLocally(
  node: Node,
  admitted: Admitted,
  endpoint: NetworkServiceEndpoint,
  generation: number,
  transaction: Transaction,
): Promise<Connection> {
  const { request, namespace } = admitted;
  const hash = connectionHash(admitted.key, generation);
  const id = `${node.name}:${hash}`;
  const chosen = agreeOnInterface(request.interface, endpoint, node);
  const plan = await askEndpoint(node, transaction, {
    id,
    hash,
    requestId: request.requestId,
    endpoint,
    labels: request.labels,
    interface: chosen,
    excluded: namespace.prefixes.map(parsePrefix),
    mtu: localMtu,
  });
  const clientParameters = { ...plan.client, interfaceName: wantedName(chosen) };
  return await program(node, transaction, {
    ...common(node, admitted, endpoint, generation, id),
    role: 'LOCAL',
    interface: chosen,
    clientParameters,
    endpointParameters: plan.endpoint,
    allocated: plan.allocated,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      client: portOf(chosen, namespace, clientParameters),
      endpoint: portOf(chosen, plan.namespace, plan.endpoint),
    }),
  });
}

/** The endpoint is on another node: its manager does that half, this one the client's, and a tunnel joins them. */
async function connectRemotely(
  node: Node,
  admitted: Admitted,
  endpoint: NetworkServiceEndpoint,
  generation: number,
  transaction: Transaction,
): Promise<Connection> {
  const { request, namespace } = admitted;
  const hash = connectionHash(node.name, admitted.key, generation);
  const id = `${node.name}:${hash}`;
  const peer = {
    manager: endpoint.networkServiceHost,
    address: addressOf(node, endpoint.networkServiceHost),
    connectionId: id,
  };
  const remote = await node.peers.resolve(peer.manager, peer.address);
  const { tunnels } = await node.forwarder.offerTunnels({ remote, local: node.tunnelAddress });

  const reservation = await transaction.step(
    'propose tunnel identifiers',
    () => node.identifiers.propose(identifiersProposed),
    (reserved) => reserved.release(),
  );
  for (const { parameters } of tunnels)
    if (parameters) parameters.proposedIdentifiers = [...reservation.identifiers];
  const reply = await transaction.step(
    'ask the other manager',
    () =>
      node.peers.request(
        peer,
        {
          requestId: request.requestId,
          networkServiceName: request.networkServiceName,
          nseProviderName: endpoint.nseProviderName,
          nseProviderNamespace: endpoint.nseProviderNamespace,
          tunnelType: tunnels,
          clientManagerName: node.name,
          clientManagerAddress: node.advertise,
          connectionId: id,
          interface: request.interface,
          excludedPrefixes: namespace.prefixes,
          ...(request.labels ? { labels: request.labels } : {}),
        },
        transaction.signal,
      ),
    () =>
      node.peers.close(peer, {
        requestId: request.requestId,
        networkServiceName: request.networkServiceName,
        connectionId: id,
        reason: 'the connection could not be made',
      }),
  );
  const { tunnel, chosen, parameters } = agreed(reply, peer.manager, reservation.identifiers);
  reservation.keepOnly(tunnel.identifier);

  const own = tunnels.find(({ type }) => type === tunnel.type)?.parameters;
  const clientParameters = {
    ...parameters,
    mac: macOf(hash, 'client'),
    interfaceName: wantedName(chosen),
    connectionId: id,
  };
  const connection = await program(node, transaction, {
    ...common(node, admitted, endpoint, generation, id),
    role: 'CLIENT',
    peer,
    interface: chosen,
    clientParameters,
    endpointParameters: create(ConnectionParametersSchema, { addresses: parameters.peerAddresses }),
    tunnel: { type: tunnel.type, identifier: tunnel.identifier },
    allocated: [],
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      client: portOf(chosen, namespace, clientParameters),
      tunnel: {
        type: tunnel.type,
        local: own?.address ?? '',
        remote: tunnel.address,
        identifier: tunnel.identifier,
        port: tunnel.port,
      },
    }),
  });
  await transaction.step('see a packet come back', () => probe(node, connection, transaction.signal));
  return connection;
}

/** What a connection's record has in common however it is made. */
function common(
  node: Node,
  { request, key, fingerprint, owner }: Admitted,
  endpoint: NetworkServiceEndpoint,
  generation: number,
  id: string,
) {
  return {
    id,
    key,
    requestId: request.requestId,
    service: request.networkServiceName,
    fingerprint,
    generation,
    owner,
    request,
    endpoint: { name: endpoint.nseProviderName, namespace: endpoint.nseProviderNamespace },
    state: { kind: 'CONNECTING' },
    since: node.now(),
  } as const;
}

function agreeOnInterface(
  wanted: readonly Interface[],
  endpoint: NetworkServiceEndpoint,
  node: Node,
): Interface {
  const chosen = chooseInterface(wanted, endpoint.interface, node.capable);
  if (!chosen)
    throw new NsmError(
      'no-common-interface',
      `no interface type in common with endpoint ${quote(endpoint.nseProviderName)}`,
    );
  return chosen;
}

/** The name a client gives its interface, or the first free of nsm0, nsm1, … */
function wantedName({ parameters }: Interface): string {
  return parameters?.interfaceParameters['name'] ?? 'nsm%d';
}

/** Reads the other manager's reply; one that lacks what a tunnel needs is as good as a refusal. */
function agreed(
  { tunnel, interface: chosen, connectionParameters }: proxy.ProxyConnectionReply,
  manager: string,
  proposed: readonly number[],
) {
  const { parameters } = tunnel ?? {};
  if (
    !tunnel ||
    !parameters ||
    !chosen ||
    !connectionParameters ||
    !proposed.includes(parameters.identifier)
  ) {
    throw new NsmError(
      'manager-refused',
      `manager ${quote(manager)} accepted without agreeing on a tunnel; do both managers run the same version?`,
    );
  }
  const { identifier, address, port } = parameters;
  return {
    tunnel: { type: tunnel.type, identifier, address, port },
    chosen,
    parameters: connectionParameters,
  };
}

async function probe(node: Node, { crossConnect, peer }: Connection, signal: AbortSignal): Promise<void> {
  const { answered } = await node.forwarder.probe({ crossConnect, timeoutMs: probeTimeout }, { signal });
  if (answered) return;
  const { local, remote, port } = crossConnect.tunnel ?? {};
  throw new NsmError(
    'no-packets',
    `the tunnel to manager ${quote(peer?.manager ?? '')} carries no packets: nothing came back from ${remote} to ${local} ` +
      `within ${probeTimeout} ms; is UDP port ${port} open between the two nodes?`,
  );
}

function summary(failures: readonly NsmError[]): NsmError {
  const [first, ...others] = failures;
  if (!first) return new NsmError('internal', 'no endpoint was tried');
  if (others.length === 0) return first;
  const messages = failures.map(({ message }) => message).join('; ');
  return new NsmError(
    first.kind,
    `none of ${failures.length} endpoints could be connected: ${messages}`,
    first,
  );
}

/** The same for requests that ask for the same, whatever the order of their map fields. */
function fingerprintOf(
  { networkServiceName, interface: interfaces, labels, lifetime }: connect.ConnectionRequest,
  owner: Owner,
): string {
  const sorted = (map: Record<string, string> | undefined) =>
    Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const content = [
    networkServiceName,
    owner,
    lifetime,
    interfaces.map(({ type, preference, parameters }) => [
      type,
      preference,
      sorted(parameters?.interfaceParameters),
    ]),
    sorted(labels?.selector),
  ];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}
