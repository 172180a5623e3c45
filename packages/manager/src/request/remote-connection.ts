// The endpoint is on another node: its manager makes that half of the connection, this node the client's, and a tunnel joins them.
import { create } from '@bufbuild/protobuf';
import {
  type ConnectionParameters,
  ConnectionParametersSchema,
  forwarder as fw,
  NsmError,
  traitsOf,
} from '@nsm/api';
import { releasePairs } from '../addresses/allocation.js';
import { addressesOf } from '../admission/admission.js';
import { type GivenSide, judgeAnswer } from '../admission/answer.js';
import { wireAnswersWithinMs } from '../choice/physical-networks.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import { admitGiven } from '../policy/gate.js';
import { type Connection, macOf } from '../state/connection.js';
import { quote } from '../untrusted-text.js';
import { askManager, type ManagerAnswer } from './ask-manager.js';
import { type Attempt, clientPort, recordOf } from './attempt.js';
import type { RequestComponents } from './components.js';
import { diagnoseNoPackets } from './diagnose-no-packets.js';
import { withSide } from './endpoint-side.js';
import { fitClient } from './fit-into-pod.js';
import { program } from './programming.js';
import { placeSockets } from './shared-memory.js';
import type { Transaction } from './transaction.js';

/** Milliseconds within which the first packet must have gone through a new tunnel and back. */
const answerWithinMs = 3000;

export async function connectRemotely(
  components: RequestComponents,
  attempt: Attempt,
  transaction: Transaction,
): Promise<Connection> {
  const { id, hash, endpoint, namespace } = attempt;
  const asked = await askManager(components, attempt, transaction);
  const { peer, halfId, endpointInterface, tunnel, chosen, reservation, pairs } = asked;
  const { side, parameters } = judgeClientSide(components, attempt, asked);
  if (tunnel) reservation.keepOnly(tunnel.identifier);
  else reservation.release();
  const used = pairs.filter(({ client }) => addressesOf(parameters).includes(client));

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
  // The rest of the endpoint's side is its own manager's affair.
  const endpointParameters = create(ConnectionParametersSchema, {
    addresses: parameters.peerAddresses,
    route: [...asked.clientSources],
  });
  const { course } = transaction;
  await refuseCut(components, course, [
    {
      side: 'client',
      type: placed.client.type,
      namespace,
      parameters: clientParameters,
      endpoint: endpoint.nseProviderName,
      remote: tunnel?.remote,
    },
  ]);
  const siblings = await course.step('fit it into the client', () =>
    fitClient(components, attempt, chosen, side, pairs),
  );
  const given = side.peers.filter((peer) => !pairs.some((pair) => pair.endpoint.startsWith(`${peer}/`)));
  const connection = await program(components, transaction, {
    ...recordOf(components, attempt),
    role: 'CLIENT',
    peer,
    halfId,
    interface: placed.client,
    clientParameters,
    endpointParameters,
    ...(tunnel ? { tunnel: { type: tunnel.type, identifier: tunnel.identifier } } : {}),
    pairs: used,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      client: clientPort(components, attempt, placed.client, clientParameters, endpointParameters, siblings),
      tunnel,
      // An application that is attached by a socket may open the socket only after it has heard of the connection.
      answerWithinMs: endpointInterface && !traitsOf(endpointInterface.type).hasDevice ? 0 : patience,
    }),
  }).catch(async (thrown: unknown) => {
    const error = NsmError.from(thrown);
    throw error.kind === 'no-packets'
      ? await diagnoseNoPackets(components, peer, id, orNobodyHas(given, error))
      : error;
  });
  // Nothing can fail any more that would give them back a second time.
  releasePairs(
    components,
    pairs.filter((pair) => !used.includes(pair)),
  );
  return connection;
}

/** The client's side as the other manager answered, judged. @throws NsmError `manager-refused`, or `policy` for what no rule lets it give. */
function judgeClientSide(
  { logger }: RequestComponents,
  { id, request, verdict }: Attempt,
  { peer: { manager }, told, mtu: most, pairs }: ManagerAnswer,
): { readonly side: GivenSide; readonly parameters: ConnectionParameters } {
  const { client, mtu, dnsServers, notes } = judgeAnswer(
    { kind: 'manager', name: manager },
    { client: told },
    { pairs: [], mtu: { usual: most, most } },
  );
  if (notes.length > 0) logger.info({ connection: id, peer: manager, notes }, 'answer put right');
  admitGiven(request.networkServiceName, verdict, {
    addresses: client.addresses.filter((address) => !pairs.some((pair) => pair.client === address)),
    routes: client.routes,
  });
  return { side: client, parameters: withSide(told, client, mtu, dnsServers) };
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
