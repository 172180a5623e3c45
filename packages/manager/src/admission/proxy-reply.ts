// What another manager answers to a request for its half of a connection: judged like the answer of an endpoint, because that manager may
// have been broken into. The addresses in it are judged with those of endpoints, in answer.ts.
import { create } from '@bufbuild/protobuf';
import {
  type ConnectionParameters,
  ConnectionParametersSchema,
  type forwarder as fw,
  type Interface,
  interfaceNames,
  interfaceTypeName,
  maxRoutes,
  NsmError,
  type proxy,
  type Tunnel,
  traitsOf,
  tunnelName,
} from '@nsm/api';
import { IpPrefix, whyNoHostAddress } from '@nsm/netlink';
import type { AddressPair } from '../addresses/address-pools.js';
import { agreedMtu, tunnelledMtu, wireMtu } from '../choice/mtu.js';
import { quote } from '../untrusted-text.js';
import { addressesOf, isHalfId } from './admission.js';

/** What the other manager was asked to choose from. */
export interface Proposal {
  /** The client's, as it asked for them. */
  readonly interfaces: readonly Interface[];
  readonly tunnels: readonly Tunnel[];
  readonly identifiers: readonly number[];
  readonly pairs: readonly AddressPair[];
  /** IP address at which the other manager was called. */
  readonly calledAt: string;
}

export interface ProxyAnswer {
  readonly halfId: string;
  /** Of the endpoint; undefined when its manager does not say. */
  readonly endpointInterface: Interface | undefined;
  /** Undefined where a wire joins both sides. */
  readonly tunnel: AgreedTunnel | undefined;
  /** The client's, with the parameters that the client asked for. */
  readonly chosen: Interface;
  /** Parameters for the client, not judged yet. */
  readonly told: ConnectionParameters;
  /** Bytes of the largest packet of the pod. */
  readonly mtu: number;
  /** What the endpoint's side reaches through the client beside its addresses: networks. */
  readonly clientSources: readonly string[];
}

/** This node's end. */
type AgreedTunnel = Pick<fw.TunnelEnd, 'type' | 'identifier' | 'local' | 'remote' | 'port'>;

/**
 * What a manager of another make leaves out of its answer is as it was proposed: the interface that the client likes best, the pairs of
 * addresses, the MTU that the tunnel carries, and the address at which the manager was called as its end of the tunnel.
 * @throws NsmError `manager-refused` for an answer that names no tunnel identifier, or chooses what was not proposed.
 */
export function judgeProxyReply(
  manager: string,
  {
    interface: named,
    endpointInterface,
    tunnel,
    halfId,
    connectionParameters,
    clientSources,
  }: proxy.ProxyConnectionReply,
  { interfaces, tunnels, identifiers, pairs, calledAt }: Proposal,
): ProxyAnswer {
  const refuse = (why: string): never => {
    throw new NsmError(
      'manager-refused',
      `manager ${quote(manager)} gave an answer that cannot be used: ${why}; do both managers run the same version?`,
    );
  };
  const chosen = named ? interfaces.find(({ type }) => type === named.type) : interfaces[0];
  if (!chosen) return refuse(`interface ${named ? interfaceTypeName(named.type) : 'none'} was not proposed`);
  if (!isHalfId(halfId)) return refuse(`half_id ${quote(halfId)} is none`);
  if (endpointInterface && !(endpointInterface.type in interfaceNames))
    return refuse(`endpoint_interface ${interfaceTypeName(endpointInterface.type)} is unknown`);
  const wrong = clientSources.find((text) => !IpPrefix.parse(text));
  if (wrong !== undefined) return refuse(`client_sources ${quote(wrong)} is no network`);
  if (clientSources.length > 2 * maxRoutes)
    return refuse(`client_sources has ${clientSources.length} entries`);
  const told = withOffered(connectionParameters ?? create(ConnectionParametersSchema), pairs);
  const common = { chosen, told, halfId, endpointInterface, clientSources };
  if (traitsOf(chosen.type).hasOwnWire)
    return { ...common, tunnel: undefined, mtu: agreedMtu(wireMtu(chosen), told.mtu) };

  const own = tunnels.find(({ type }) => type === tunnel?.type);
  const { identifier = 0, port = 0, mtu = 0 } = tunnel?.parameters ?? {};
  const address = tunnel?.parameters?.address || calledAt;
  if (!tunnel || !own) return refuse(`tunnel ${tunnel ? tunnelName(tunnel.type) : 'none'} was not proposed`);
  if (!identifiers.includes(identifier)) return refuse(`tunnel identifier ${identifier} was not proposed`);
  const end = IpPrefix.parseAddress(address);
  if (!end) return refuse(`tunnel address ${quote(address)} is not an IP address`);
  const why = whyNoHostAddress(end);
  if (why !== '') return refuse(`tunnel address ${address} ${why}`);
  if (port > 65_535) return refuse(`tunnel port ${port} is none`);
  const local = own.parameters?.address ?? '';
  const carried = Math.min(own.parameters?.mtu ?? 0, mtu || Number.POSITIVE_INFINITY);
  return {
    ...common,
    mtu: agreedMtu(tunnelledMtu(carried, chosen, 0), told.mtu),
    tunnel: { type: tunnel.type, identifier, local, remote: end.address, port },
  };
}

function withOffered(told: ConnectionParameters, pairs: readonly AddressPair[]): ConnectionParameters {
  const given = addressesOf(told);
  if (told.peerAddresses.length > 0) return told;
  const taken = given.length > 0 ? pairs.filter(({ client }) => given.includes(client)) : pairs;
  return {
    ...told,
    addresses: given.length > 0 ? given : taken.map(({ client }) => client),
    peerAddresses: taken.map(({ endpoint }) => IpPrefix.of(endpoint).address),
  };
}
