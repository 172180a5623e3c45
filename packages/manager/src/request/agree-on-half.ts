// What a half for another manager will be, as far as it is this node's to say: endpoint, interfaces, tunnel, MTU. Nothing is taken yet.
import { create } from '@bufbuild/protobuf';
import {
  InterfaceSchema,
  InterfaceType,
  type NetworkServiceEndpoint,
  NsmError,
  type proxy,
  type Subject,
  traitsOf,
} from '@nsm/api';
import type { Steps } from '@nsm/observe';
import { type Mtu, tunnelledMtu, wireMtu } from '../choice/mtu.js';
import { type AgreedInterfaces, chooseInterfaces, interfaceList } from '../choice/negotiation.js';
import { onOneNetwork, poolOf, spelledOut } from '../choice/physical-networks.js';
import type { Verdict } from '../policy/gate.js';
import { quote } from '../untrusted-text.js';
import { agreeOnTunnel, type ChosenTunnel } from './agree-on-tunnel.js';
import type { RequestComponents } from './components.js';

/** What another manager asks this one for, and for whom. */
export interface HalfRequest {
  readonly request: proxy.ProxyConnectionRequest;
  readonly client: Subject;
  /** IP address from which the client's manager calls. */
  readonly callerAddress: string;
}

export interface AgreedHalf {
  readonly endpoint: NetworkServiceEndpoint;
  readonly agreed: AgreedInterfaces;
  readonly verdict: Verdict;
  /** Undefined where a physical network joins the two sides. */
  readonly tunnel: ChosenTunnel | undefined;
  readonly mtu: Mtu;
}

/** @throws NsmError for every refusal. */
export async function agreeOnHalf(
  components: RequestComponents,
  asked: HalfRequest,
  course: Pick<Steps, 'step'>,
): Promise<AgreedHalf> {
  const { request } = asked;
  const endpoint = requestedEndpoint(components, request);
  const { chosen, verdict } = agreeOnInterfaces(components, asked, endpoint);
  const agreed = onOneNetwork(chosen, components.abilities.physical);
  const tunnel = traitsOf(agreed.client.type).hasOwnWire
    ? undefined
    : await agreeOnTunnel(components, asked, agreed.endpoint.type, course);
  const mtu = tunnel ? tunnelledMtu(tunnel.mtu, agreed.client, request.toldMtu) : wireMtu(agreed.client);
  return { endpoint, agreed, verdict, tunnel, mtu };
}

/** @throws NsmError `no-endpoint` */
function requestedEndpoint(
  { endpoints, catalogue, self }: RequestComponents,
  request: proxy.ProxyConnectionRequest,
): NetworkServiceEndpoint {
  const { nseProviderName, nseProviderNamespace, networkServiceName } = request;
  const [endpoint] = endpoints.matching(nseProviderName, nseProviderNamespace, networkServiceName);
  if (catalogue.drained) throw new NsmError('no-endpoint', `node ${quote(self.name)} is drained`);
  if (endpoint && !endpoints.isWithheld(endpoint)) return endpoint;
  throw new NsmError(
    'no-endpoint',
    `endpoint ${quote(nseProviderName)} does not provide ${quote(networkServiceName)} here`,
  );
}

/** The types that client and endpoint have, and what the policy says of the two. @throws NsmError when they have none in common. */
function agreeOnInterfaces(
  { gate, abilities }: RequestComponents,
  { request, client }: HalfRequest,
  endpoint: NetworkServiceEndpoint,
) {
  const { physical, wirings, missingCapabilities } = abilities;
  const wanted =
    request.interface.length > 0
      ? request.interface
      : [create(InterfaceSchema, { type: InterfaceType.DEFAULT_INTERFACE })];
  // A manager that knows only the specification names no physical network.
  const onNetwork = (type: InterfaceType): boolean => wanted.some((one) => one.type === type && poolOf(one));
  const { interfaces: allowed, verdict } = gate.admitClient(
    client,
    endpoint,
    gate.isRuled ? spelledOut(wanted, endpoint.interface, physical) : wanted,
  );
  const chosen = chooseInterfaces(
    allowed,
    endpoint.interface,
    (theirs, own) => wirings.remotely(own, theirs) && (!traitsOf(own).hasOwnWire || onNetwork(own)),
  );
  if (chosen) return { chosen, verdict };
  throw new NsmError(
    'no-common-interface',
    `no interface types that can be joined: the client asks for ${interfaceList(wanted)}, the endpoint offers ` +
      `${interfaceList(endpoint.interface)}, its node can join ${wirings.list('tunnelled')} to another node` +
      missingCapabilities.ofInterfaces(new Set(endpoint.interface.map(({ type }) => type)), 'tunnelled'),
  );
}
