// The endpoint's half of a connection, the same whether the client is on this node or on another: ask it, agree on
// addresses, and describe both ports.
import { create } from '@bufbuild/protobuf';
import {
  type ConnectionParameters,
  ConnectionParametersSchema,
  type forwarder as fw,
  type Interface,
  type Label,
  type NetworkServiceEndpoint,
  NsmError,
  traitsOf,
} from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import { obstacles } from '../addresses/allocation.js';
import { type GivenSide, judgeAnswer, leavesAddresses } from '../admission/answer.js';
import type { Mtu } from '../choice/mtu.js';
import type { EndpointAnswer } from '../endpoints/local-endpoints.js';
import type { ServedConnection } from '../endpoints/served-names.js';
import { notifyEndpoint } from '../peers/close-notifications.js';
import { admitGiven, type Verdict } from '../policy/gate.js';
import { endpointInterfaceName, macOf, type ServedFor } from '../state/connection.js';
import type { Holder } from '../state/holder.js';
import type { RequestComponents } from './components.js';
import { fitEndpoint } from './fit-into-pod.js';
import { takeAddresses } from './take-addresses.js';
import type { Transaction } from './transaction.js';

export interface EndpointQuestion {
  readonly id: string;
  readonly hash: string;
  readonly client: ServedFor;
  readonly endpoint: NetworkServiceEndpoint;
  readonly labels: Label | undefined;
  readonly interface: Interface;
  /** Prefixes routed in the client's namespace. */
  readonly excluded: readonly IpPrefix[];
  /** Address pairs to use, unless the endpoint gives addresses of its own or already routes to these. */
  readonly offered: readonly AddressPair[];
  /** Whether the pairs offered are from this manager's pools. Default: true. */
  readonly offeredIsOwn?: boolean;
  readonly mtu: Mtu;
  readonly verdict: Verdict;
  /** Whose the addresses are that this manager gives out; undefined where it is not known. */
  readonly holder: Holder | undefined;
}

/** What both sides of a connection will look like. */
export interface Plan {
  /** The endpoint's. */
  readonly namespace: fw.Namespace;
  readonly client: ConnectionParameters;
  readonly endpoint: ConnectionParameters;
  /** Id of the half that the endpoint has for the same request until this one takes its place; '' for none. */
  readonly beside: string;
  /** What the endpoint knows the connection by. */
  readonly servedAs: string;
  /** Address pairs taken for it from this manager's pools. */
  readonly pairs: readonly AddressPair[];
}

export async function askEndpoint(
  components: RequestComponents,
  transaction: Transaction,
  question: EndpointQuestion,
): Promise<Plan> {
  const { id, endpoint } = question;
  const { networkServiceName: service, nseProviderName, nseProviderNamespace } = endpoint;
  const asked: ServedConnection = {
    ...question.client,
    id,
    service,
    endpoint: { name: nseProviderName, namespace: nseProviderNamespace },
  };
  const wished = wishedFor(question);
  const { interfaceName, mac } = wished;
  const answered = await requestEndpoint(components, transaction, question, asked, wished);
  const { reply, namespace, served } = answered;
  const given = { client: reply.clientParameters, endpoint: reply.endpointParameters };
  const { pairs, own } = leavesAddresses(given)
    ? await chooseAddresses(components, transaction, question, namespace)
    : { pairs: [], own: [] };
  const answerer = { kind: 'endpoint', name: nseProviderName } as const;
  const answer = judgeAnswer(answerer, given, { pairs, mtu: question.mtu });
  if (answer.notes.length > 0)
    components.logger.info(
      { connection: id, endpoint: nseProviderName, notes: answer.notes },
      'answer put right',
    );
  admitGiven(service, question.verdict, {
    addresses: pairs.length > 0 ? [] : answer.client.addresses,
    routes: answer.client.routes,
  });
  const beside = components.servedNames.others(served)[0]?.id ?? '';
  await transaction.course.step('fit it into the endpoint', () =>
    fitEndpoint(components, nseProviderName, namespace, answer.endpoint, {
      pairs,
      own,
      shared: [id, beside],
    }),
  );
  return {
    namespace,
    pairs: own,
    beside,
    servedAs: served.servedAs,
    client: withSide(
      create(ConnectionParametersSchema, {
        connectionId: id,
        mac: macFor(question, 'client'),
        dns: reply.clientParameters?.dns,
      }),
      answer.client,
      answer.mtu,
      answer.dnsServers,
    ),
    endpoint: withSide(
      create(ConnectionParametersSchema, { connectionId: id, mac, interfaceName }),
      answer.endpoint,
      answer.mtu,
    ),
  };
}

/** The endpoint's interface as it is to be. */
interface Wished {
  readonly interfaceName: string;
  readonly mac: string;
}

function wishedFor(question: EndpointQuestion): Wished {
  const { hasDevice } = traitsOf(question.interface.type);
  return {
    interfaceName: hasDevice ? endpointInterfaceName(question.hash) : '',
    mac: macFor(question, 'endpoint'),
  };
}

/** '' for a device of the node's, which has an address already. */
function macFor({ interface: { type }, hash }: EndpointQuestion, side: 'client' | 'endpoint'): string {
  return traitsOf(type).hasOwnWire ? '' : macOf(hash, side);
}

interface Answered extends EndpointAnswer {
  readonly served: ServedConnection & { readonly servedAs: string };
}

/** Asks the endpoint's process, and tells it of the end when a later step fails. */
async function requestEndpoint(
  components: RequestComponents,
  transaction: Transaction,
  { id, hash, endpoint, labels, interface: chosen, mtu }: EndpointQuestion,
  asked: ServedConnection,
  wished: Wished,
): Promise<Answered> {
  const { endpoints, servedNames } = components;
  const { signal, course } = transaction;
  const takeBack = (served: ServedConnection, why: NsmError) =>
    notifyEndpoint(components, served, why.toAdmissionError());
  return await transaction.step(
    'ask the endpoint',
    async (step) => {
      const served = { ...asked, servedAs: servedNames.take(asked, hash) };
      const request = {
        requestId: served.servedAs,
        networkServiceName: served.service,
        interface: chosen,
        ...(labels ? { labels } : {}),
        endpointParameters: { ...wished, mtu: mtu.usual, connectionId: id },
        maxMtu: mtu.most,
      };
      try {
        const call = { signal, ...course.call(step, { component: 'endpoint' }) };
        return { ...(await endpoints.request(endpoint, request, call)), served };
      } catch (thrown) {
        const error = NsmError.from(thrown);
        // Unless the endpoint has refused, it may have accepted, or do so yet. A slow endpoint is not waited for.
        if (error.kind !== 'endpoint-refused') void takeBack(served, error);
        else if (servedNames.others(served).length === 0) servedNames.release(served);
        throw error;
      }
    },
    ({ served }, why) => takeBack(served, why),
  );
}

/** The pairs offered where they are free in the endpoint's pod, else others; `own` are those of this manager's pools. */
async function chooseAddresses(
  components: RequestComponents,
  transaction: Transaction,
  { endpoint, excluded, offered, offeredIsOwn = true, holder, verdict }: EndpointQuestion,
  { prefixes }: fw.Namespace,
): Promise<{ readonly pairs: readonly AddressPair[]; readonly own: readonly AddressPair[] }> {
  const routed = obstacles(components, prefixes);
  const collides = offered.some(
    ({ prefix }) =>
      (!offeredIsOwn && components.pools.has(prefix)) ||
      routed.some((other) => other.overlaps(IpPrefix.of(prefix))),
  );
  if (offered.length > 0 && !collides) return { pairs: offered, own: offeredIsOwn ? offered : [] };
  const taken = await takeAddresses(components, transaction, 'allocate addresses', {
    endpoint,
    holder,
    verdict,
    excluded: [...excluded, ...routed],
  });
  return { pairs: taken, own: taken };
}

/** The parameters of a side, with the addresses, MTU and DNS servers that were judged. */
export function withSide(
  parameters: ConnectionParameters,
  { addresses, peers, routes }: GivenSide,
  mtu: number,
  dnsServers: readonly string[] = [],
): ConnectionParameters {
  const { dns } = parameters;
  return {
    ...parameters,
    mtu,
    address: addresses[0] ?? '',
    addresses: [...addresses],
    peerAddresses: [...peers],
    route: [...routes],
    ...(dns ? { dns: { ...dns, servers: [...dnsServers] } } : {}),
  };
}
