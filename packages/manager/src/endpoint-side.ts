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
} from '@nsm/api';
import type { AddressPair } from './address-pools.js';
import { addressesOf, admitEndpointParameters } from './admission.js';
import { endpointInterfaceName, macOf } from './connection.js';
import type { Node } from './node.js';
import { type Prefix, parsePrefix } from './prefix.js';
import type { Transaction } from './transaction.js';

export interface EndpointQuestion {
  readonly id: string;
  readonly hash: string;
  readonly requestId: string;
  readonly endpoint: NetworkServiceEndpoint;
  readonly labels: Label | undefined;
  readonly interface: Interface;
  /** Prefixes routed in the client's namespace. */
  readonly excluded: readonly Prefix[];
  /** Bytes. */
  readonly mtu: number;
}

/** What both sides of a connection will look like. */
export interface Plan {
  readonly namespace: fw.Namespace;
  readonly client: ConnectionParameters;
  readonly endpoint: ConnectionParameters;
  /** Prefixes taken from the address pools. */
  readonly allocated: readonly string[];
}

export async function askEndpoint(
  node: Node,
  transaction: Transaction,
  question: EndpointQuestion,
): Promise<Plan> {
  const { id, hash, requestId, endpoint, mtu } = question;
  const interfaceName = endpointInterfaceName(hash);
  const mac = { client: macOf(hash, 'client'), endpoint: macOf(hash, 'endpoint') };
  const { reply, namespace } = await transaction.step(
    'ask the endpoint',
    () =>
      node.endpoints.request(
        endpoint,
        {
          requestId,
          networkServiceName: endpoint.networkServiceName,
          interface: question.interface,
          ...(question.labels ? { labels: question.labels } : {}),
          endpointParameters: { interfaceName, mac: mac.endpoint, mtu, connectionId: id },
        },
        transaction.signal,
      ),
    () => node.endpoints.close(endpoint, requestId, 'the connection could not be made'),
  );
  admitEndpointParameters(reply.clientParameters, endpoint.nseProviderName);
  admitEndpointParameters(reply.endpointParameters, endpoint.nseProviderName);

  let addresses = {
    client: addressesOf(reply.clientParameters),
    endpoint: addressesOf(reply.endpointParameters),
  };
  let allocated: readonly string[] = [];
  if (addresses.client.length === 0 && addresses.endpoint.length === 0) {
    const excluded = [...question.excluded, ...namespace.prefixes.map(parsePrefix)];
    const pairs = await transaction.step(
      'allocate addresses',
      () => allocate(node, prefixesOf(node, endpoint), excluded),
      (taken) => {
        for (const { prefix } of taken) node.pools.release(prefix);
      },
    );
    addresses = {
      client: pairs.map(({ client }) => client),
      endpoint: pairs.map(({ endpoint: address }) => address),
    };
    allocated = pairs.map(({ prefix }) => prefix);
  }
  const common = { mtu, connectionId: id };
  return {
    namespace,
    allocated,
    client: create(ConnectionParametersSchema, {
      ...common,
      mac: mac.client,
      address: addresses.client[0] ?? '',
      addresses: addresses.client,
      peerAddresses: addresses.endpoint.map(withoutLength),
      route: reply.clientParameters?.route ?? [],
      ...(reply.clientParameters?.dns ? { dns: reply.clientParameters.dns } : {}),
    }),
    endpoint: create(ConnectionParametersSchema, {
      ...common,
      mac: mac.endpoint,
      interfaceName,
      address: addresses.endpoint[0] ?? '',
      addresses: addresses.endpoint,
      peerAddresses: addresses.client.map(withoutLength),
      route: reply.endpointParameters?.route ?? [],
    }),
  };
}

/** The endpoint's own prefixes, else its network service's, else the manager's. */
function prefixesOf({ prefixes }: Node, endpoint: NetworkServiceEndpoint): readonly string[] {
  if (endpoint.prefixes.length > 0) return endpoint.prefixes;
  return prefixes.get(endpoint.networkServiceName) ?? prefixes.get('') ?? [];
}

/** One pair for each version of IP that the prefixes have, from the first prefix of it that has one left. */
async function allocate(
  { pools }: Node,
  prefixes: readonly string[],
  excluded: readonly Prefix[],
): Promise<AddressPair[]> {
  const pairs: AddressPair[] = [];
  try {
    for (const version of [4, 6]) {
      const candidates = prefixes.filter((text) => parsePrefix(text).version === version);
      for (const [index, prefix] of candidates.entries()) {
        try {
          pairs.push(await pools.take(prefix, excluded));
          break;
        } catch (error) {
          if (index === candidates.length - 1) throw error;
        }
      }
    }
    return pairs;
  } catch (error) {
    for (const { prefix } of pairs) pools.release(prefix);
    throw error;
  }
}

/** A pod's side of a cross-connect, with each route through the other side's address of the same version. */
export function portOf(
  chosen: Interface,
  namespace: fw.Namespace,
  parameters: ConnectionParameters,
): Omit<fw.Port, '$typeName' | '$unknown'> {
  const gateway = (destination: string): string => {
    const { version } = parsePrefix(destination);
    return parameters.peerAddresses.find((address) => parsePrefix(address).version === version) ?? '';
  };
  return {
    type: chosen.type,
    // Routes matter for the choice of addresses alone, and there may be many.
    namespace: { ...namespace, prefixes: [] },
    name: parameters.interfaceName,
    mac: parameters.mac,
    mtu: parameters.mtu,
    addresses: parameters.addresses,
    routes: parameters.route.map((destination) => ({
      $typeName: 'common.Route',
      destination,
      gateway: gateway(destination),
    })),
    parameters: chosen.parameters?.interfaceParameters ?? {},
    peerAddresses: parameters.peerAddresses,
  };
}

function withoutLength(address: string): string {
  return address.replace(/\/\d+$/, '');
}
