// The endpoint is on another node: its manager does that half, this one the client's, and a tunnel joins them.
import { create } from '@bufbuild/protobuf';
import {
  ConnectionParametersSchema,
  forwarder as fw,
  NsmError,
  type proxy,
  type Tunnel,
  TunnelSchema,
  traitsOf,
} from '@nsm/api';
import {
  allocate,
  inTheWayOf,
  obstacles,
  prefixesOf,
  prefixesThere,
  releasePairs,
} from '../addresses/allocation.js';
import { addressesOf } from '../admission/admission.js';
import { judgeAnswer } from '../admission/answer.js';
import { impossibleTunnels, interfaceList, restrictTunnels, tunnelable } from '../choice/negotiation.js';
import { wireAnswersWithinMs } from '../choice/physical-networks.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import { quote } from '../others-words.js';
import { type Connection, macOf } from '../state/connection.js';
import { type Attempt, clientPort, recordOf } from './attempt.js';
import type { RequestComponents } from './components.js';
import { withSide } from './endpoint-side.js';
import { fitClient } from './fit-into-pod.js';
import { program } from './programming.js';
import { placeSockets } from './shared-memory.js';
import type { Transaction } from './transaction.js';
import { whyNoPackets } from './why-no-packets.js';

/** Milliseconds within which the first packet must have gone through a new tunnel and back. */
const answerWithinMs = 3000;
/** Tunnel identifiers proposed to the other manager: hardly ever are all of them taken there. */
const identifiersProposed = 4;

export async function connectRemotely(
  components: RequestComponents,
  attempt: Attempt,
  transaction: Transaction,
): Promise<Connection> {
  using _asking = components.peers.asking(attempt.id);
  return await connect(components, attempt, transaction);
}

async function connect(
  components: RequestComponents,
  attempt: Attempt,
  transaction: Transaction,
): Promise<Connection> {
  const { id, hash, request, endpoint, namespace } = attempt;
  const { requestId, networkServiceName } = request;
  const manager = endpoint.networkServiceHost;
  const peer = { manager, address: components.peers.addressOf(manager), connectionId: id };
  const remote = await components.peers.resolve(manager, peer.address);
  const offer = await components.offers.to(remote);
  const tunnels = restrictTunnels(offer.tunnels, components.tunnels, networkServiceName);
  if (tunnels.length === 0 && !attempt.interfaces.every(({ type }) => traitsOf(type).hasOwnWire))
    throw new NsmError(
      'no-common-tunnel',
      `no tunnel of this node leads to manager ${quote(manager)}: ` +
        components.lacking.ofTunnels(
          impossibleTunnels(components.tunnels, networkServiceName),
          offer.obstacles,
        ),
    );
  const interfaces = tunnelable(attempt.interfaces, tunnels, components.joins);
  if (interfaces.length === 0)
    throw new NsmError(
      'no-common-interface',
      `the client asks for ${interfaceList(attempt.interfaces)}, and its node can join ${components.joins.list('tunnelled')} to another node` +
        components.lacking.ofInterfaces(new Set(attempt.interfaces.map(({ type }) => type)), 'tunnelled'),
    );

  const reservation = await transaction.step(
    'propose tunnel identifiers',
    () => components.identifiers.propose(identifiersProposed),
    (reserved) => reserved.release(),
  );
  // The client's manager allocates: the addresses then outlive the endpoint, and its components.
  const pairs =
    attempt.former?.pairs ??
    (await transaction.step(
      'propose addresses',
      () => allocate(components, prefixesOf(components, endpoint), obstacles(components, namespace.prefixes)),
      (taken) => releasePairs(components, taken),
    ));
  const reply = await transaction.step(
    'ask the other manager',
    () =>
      components.peers.request(
        peer,
        {
          requestId,
          networkServiceName,
          nseProviderName: endpoint.nseProviderName,
          nseProviderNamespace: endpoint.nseProviderNamespace,
          tunnelType: tunnels.map((tunnel) => proposing(tunnel, reservation.identifiers)),
          clientManagerName: components.self.name,
          clientManagerAddress: components.self.address,
          connectionId: id,
          toldMtu: attempt.former?.mtu ?? 0,
          interface: interfaces,
          excludedPrefixes: inTheWayOf(prefixesThere(components, endpoint), namespace.prefixes),
          addressPairs: pairs.map(({ client, endpoint: other, prefix }) => ({
            client,
            endpoint: other,
            prefix,
          })),
          ...(request.labels ? { labels: request.labels } : {}),
        },
        transaction.signal,
      ),
    (_, why) =>
      components.peers.close(peer, {
        requestId,
        networkServiceName,
        connectionId: id,
        reason: why.toAdmissionError(),
      }),
  );
  const { tunnel, chosen, parameters: told } = agreed(reply, manager, reservation.identifiers);
  const {
    client: side,
    mtu,
    dnsServers,
    notes,
  } = judgeAnswer(
    { kind: 'manager', name: manager },
    { client: told },
    { pairs: [], mtu: { usual: told.mtu, most: told.mtu } },
  );
  if (notes.length > 0) components.logger.info({ connection: id, manager, notes }, 'answer put right');
  const parameters = withSide(told, side, mtu, dnsServers);
  if (tunnel) reservation.keepOnly(tunnel.identifier);
  else reservation.release();
  const kept = pairs.filter(({ client }) => addressesOf(parameters).includes(client));

  const own = tunnels.find(({ type }) => type === tunnel?.type)?.parameters;
  const patience = tunnel ? answerWithinMs : wireAnswersWithinMs;
  const placed = await placeSockets(
    components,
    transaction,
    id,
    { client: { interface: chosen, uid: attempt.uid } },
    attempt.former?.interface,
  );
  const clientParameters = {
    ...parameters,
    mac: tunnel ? macOf(hash, 'client') : '',
    connectionId: id,
  };
  if (traitsOf(placed.client.type).hasDevice)
    await refuseCut(components, [
      {
        side: 'client',
        namespace,
        parameters: clientParameters,
        endpoint: endpoint.nseProviderName,
        ...(tunnel ? { remote: tunnel.address } : {}),
      },
    ]);
  const siblings = await fitClient(components, attempt, side, pairs);
  const given = side.peers.filter((peer) => !pairs.some((pair) => pair.endpoint.startsWith(`${peer}/`)));
  const connection = await program(components, transaction, {
    ...recordOf(components, attempt),
    role: 'CLIENT',
    peer,
    halfId: reply.halfId,
    interface: placed.client,
    clientParameters,
    endpointParameters: create(ConnectionParametersSchema, { addresses: parameters.peerAddresses }),
    ...(tunnel ? { tunnel: { type: tunnel.type, identifier: tunnel.identifier } } : {}),
    pairs: kept,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      client: clientPort(components, attempt, placed.client, clientParameters, siblings),
      ...(tunnel
        ? {
            tunnel: {
              type: tunnel.type,
              local: own?.address ?? '',
              remote: tunnel.address,
              identifier: tunnel.identifier,
              port: tunnel.port,
            },
          }
        : {}),
      // An application that is attached by a socket may come to it only when it has heard of it.
      answerWithinMs:
        reply.endpointInterface && !traitsOf(reply.endpointInterface.type).hasDevice ? 0 : patience,
    }),
  }).catch(async (thrown: unknown) => {
    const error = NsmError.from(thrown);
    throw error.kind === 'no-packets'
      ? await whyNoPackets(components, peer, id, orNobodyHas(given, error))
      : error;
  });
  // Nothing can fail any more that would give them back a second time.
  releasePairs(
    components,
    pairs.filter((pair) => !kept.includes(pair)),
  );
  return connection;
}

/** Where no packets come back from addresses that the endpoint gave, that may be why. */
function orNobodyHas(given: readonly string[], error: NsmError): NsmError {
  if (error.kind !== 'no-packets' || given.length === 0) return error;
  return new NsmError(
    error.kind,
    `${error.message} Or does nobody in the endpoint's pod have what its answer gives, client_parameters.peer_addresses or else endpoint_parameters.addresses ${given.map(quote).join(', ')}?`,
    error,
  );
}

function proposing({ type, parameters }: Tunnel, identifiers: readonly number[]): Tunnel {
  const { address = '', mtu = 0, port = 0 } = parameters ?? {};
  return create(TunnelSchema, {
    type,
    parameters: { address, mtu, port, proposedIdentifiers: [...identifiers] },
  });
}

/** Reads the other manager's reply; one that lacks what a tunnel needs is as good as a refusal. */
function agreed(
  { tunnel, interface: chosen, connectionParameters }: proxy.ProxyConnectionReply,
  manager: string,
  proposed: readonly number[],
) {
  if (chosen && connectionParameters && traitsOf(chosen.type).hasOwnWire)
    return { tunnel: undefined, chosen, parameters: connectionParameters };
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
