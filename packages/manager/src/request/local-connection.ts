// Client and endpoint on this node: one wire between two pods.
import { create } from '@bufbuild/protobuf';
import {
  forwarder as fw,
  type Interface,
  type NamespaceIdentity,
  type NetworkServiceEndpoint,
  NsmError,
  traitsOf,
} from '@nsm/api';
import { obstacles } from '../addresses/allocation.js';
import { localMtu, type Mtu, wireMtu } from '../choice/mtu.js';
import { type AgreedInterfaces, chooseInterfaces } from '../choice/negotiation.js';
import { onOneNetwork, wireAnswersWithinMs } from '../choice/physical-networks.js';
import { refuseCut } from '../lifelines/refuse-cut.js';
import type { Connection } from '../state/connection.js';
import { ownHolder } from '../state/holder.js';
import { isSameNamespace } from '../state/namespace-identity.js';
import { quote } from '../untrusted-text.js';
import { type Attempt, clientPort, recordOf } from './attempt.js';
import type { RequestComponents } from './components.js';
import { askEndpoint } from './endpoint-side.js';
import { fitClient } from './fit-into-pod.js';
import { portOf } from './port.js';
import { program } from './programming.js';
import { placeSockets } from './shared-memory.js';
import type { Transaction } from './transaction.js';

/** Milliseconds within which an endpoint that answers on another of its devices does so: the endpoint joins both devices first. */
const elsewhereAnswersWithinMs = 3000;
/** Milliseconds within which a pair of devices carries packets, however busy the node. */
const readyWithinMs = 1000;

export async function connectLocally(
  components: RequestComponents,
  attempt: Attempt,
  transaction: Transaction,
): Promise<Connection> {
  const { id, hash, request, endpoint, namespace, interfaces, verdict } = attempt;
  const agreed = agreeLocally(interfaces, endpoint, components);
  const uid = components.endpoints.uidOf(endpoint) ?? 0;
  const sides = {
    client: { interface: agreed.client, uid: attempt.uid },
    endpoint: { interface: agreed.endpoint, uid },
  };
  const chosen = await placeSockets(components, transaction, id, sides, attempt.former?.interface);
  const ownWire = traitsOf(chosen.client.type).hasOwnWire;
  const pair = isPair(chosen);
  const plan = await askEndpoint(components, transaction, {
    id,
    hash,
    client: { role: 'LOCAL', key: attempt.key, requestId: request.requestId },
    endpoint,
    labels: request.labels,
    interface: chosen.endpoint,
    excluded: obstacles(components, namespace.prefixes),
    offered: attempt.former?.pairs ?? [],
    mtu: mtuOnNode(chosen, attempt.former?.mtu),
    verdict,
    holder: ownHolder(attempt),
  });
  const { course } = transaction;
  const name = endpoint.nseProviderName;
  refuseOwnPod(name, chosen, namespace, plan.namespace);
  await refuseCut(components, course, [
    { side: 'client', type: chosen.client.type, namespace, parameters: plan.client, endpoint: name },
    {
      side: 'endpoint',
      type: chosen.endpoint.type,
      endpoint: name,
      namespace: plan.namespace,
      parameters: plan.endpoint,
    },
  ]);
  const { addresses, peerAddresses: peers, route: routes } = plan.client;
  const siblings = await course.step('fit it into the client', () =>
    fitClient(components, attempt, chosen.client, { addresses, peers, routes }, plan.pairs),
  );
  // Where the endpoint answers on another device than the connection's own, that may not lead there.
  const elsewhere = peers.filter(
    (peer) => !plan.endpoint.addresses.some((own) => own.startsWith(`${peer}/`)),
  );
  const connection = await program(components, transaction, {
    ...recordOf(components, attempt),
    role: 'LOCAL',
    interface: chosen.client,
    servedAs: plan.servedAs,
    endpointInterface: chosen.endpoint,
    clientParameters: plan.client,
    endpointParameters: plan.endpoint,
    pairs: plan.pairs,
    crossConnect: create(fw.CrossConnectSchema, {
      id,
      client: clientPort(components, attempt, chosen.client, plan.client, plan.endpoint, siblings),
      endpoint: {
        ...portOf(chosen.endpoint, plan.namespace, uid, plan.endpoint, plan.client),
        ...(attempt.beside ? { routes: [] } : {}),
        beside: plan.beside,
      },
      // A pair of devices made for each other cannot fail to carry packets; a wire can.
      answerWithinMs: ownWire
        ? wireAnswersWithinMs
        : pair && elsewhere.length > 0
          ? elsewhereAnswersWithinMs
          : 0,
    }),
  }).catch((thrown) => {
    const error = NsmError.from(thrown);
    // A veth pair carries packets, so the address is at fault.
    if (!pair || elsewhere.length === 0 || error.kind !== 'no-packets') throw error;
    throw new NsmError(
      'endpoint-refused',
      `endpoint ${quote(name)} gave an answer that cannot be used: nobody in its pod answers for client_parameters.peer_addresses ${elsewhere.map(quote).join(', ')}: ${error.message}`,
      error,
    );
  });
  if (pair && (attempt.beside || attempt.former))
    await course.step('wait for the first packet', () => ready(components, connection));
  return connection;
}

/**
 * Waits until a pair of devices carries packets. The kernel may take its time to begin, drops what comes until then, and asks for
 * a neighbour once a second only: too long for packets that went through another connection until now. Where nothing answers,
 * nothing is wrong with the pair.
 */
async function ready(
  { forwarder, logger }: RequestComponents,
  { id, crossConnect }: Connection,
): Promise<void> {
  try {
    await forwarder.probe({ crossConnect, timeoutMs: readyWithinMs });
  } catch (error) {
    logger.info({ connection: id, err: error }, 'not known whether it carries packets yet');
  }
}

/** @param told as for `localMtu`. */
export function mtuOnNode({ client, endpoint }: AgreedInterfaces, told?: number): Mtu {
  return traitsOf(client.type).hasOwnWire ? wireMtu(client) : localMtu(client, endpoint, told);
}

/**
 * The kernel delivers what goes to an address of its own without any interface.
 * @throws NsmError `no-common-interface` for an endpoint in the client's own network namespace, but over shared memory.
 */
export function refuseOwnPod(
  name: string,
  agreed: AgreedInterfaces,
  clientNamespace: NamespaceIdentity | undefined,
  endpointNamespace: NamespaceIdentity | undefined,
): void {
  if (!isPair(agreed) || !isSameNamespace(clientNamespace, endpointNamespace)) return;
  throw new NsmError(
    'no-common-interface',
    `endpoint ${quote(name)} is in the client's own network namespace, where packets between the two need no interface: ask from another pod, or by labels for another endpoint`,
  );
}

function isPair({ client, endpoint }: AgreedInterfaces): boolean {
  return traitsOf(client.type).makesPair && traitsOf(endpoint.type).makesPair;
}

/** @throws NsmError `no-common-interface` */
export function agreeLocally(
  wanted: readonly Interface[],
  endpoint: NetworkServiceEndpoint,
  components: RequestComponents,
): AgreedInterfaces {
  const chosen = chooseInterfaces(wanted, endpoint.interface, components.abilities.wirings.locally);
  if (!chosen)
    throw new NsmError(
      'no-common-interface',
      `no interface types that can be joined with endpoint ${quote(endpoint.nseProviderName)}`,
    );
  return onOneNetwork(chosen, components.abilities.physical);
}
