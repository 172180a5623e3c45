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
} from '@nsm/api';
import type { AddressPair } from '../addresses/address-pools.js';
import { allocate, obstacles, prefixesOf, releasePairs } from '../addresses/allocation.js';
import { overlaps, type Prefix, parsePrefix } from '../addresses/prefix.js';
import { addressesOf, admitEndpointParameters } from '../admission/admission.js';
import { agreedMtu, type Mtu } from '../choice/mtu.js';
import { hasOwnWire } from '../choice/negotiation.js';
import { tellEndpoint } from '../life/closing.js';
import type { Node } from '../node.js';
import { endpointInterfaceName, macOf } from '../state/connection.js';
import { hasDevice } from './shared-memory.js';
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
  /** Address pairs to use, unless the endpoint gives addresses of its own or already routes to these. */
  readonly offered: readonly AddressPair[];
  /** Whether the pairs offered are from this manager's pools. Default: true. */
  readonly offeredIsOwn?: boolean;
  readonly mtu: Mtu;
}

/** What both sides of a connection will look like. */
export interface Plan {
  /** The endpoint's. */
  readonly namespace: fw.Namespace;
  readonly client: ConnectionParameters;
  readonly endpoint: ConnectionParameters;
  /** Address pairs taken for it from this manager's pools. */
  readonly pairs: readonly AddressPair[];
}

export async function askEndpoint(
  node: Node,
  transaction: Transaction,
  question: EndpointQuestion,
): Promise<Plan> {
  const { id, hash, requestId, endpoint } = question;
  const interfaceName = hasDevice(question.interface) ? endpointInterfaceName(hash) : '';
  // A device of the node's has one already.
  const macFor = (side: 'client' | 'endpoint'): string =>
    hasOwnWire(question.interface.type) ? '' : macOf(hash, side);
  const mac = { client: macFor('client'), endpoint: macFor('endpoint') };
  const { networkServiceName: service, nseProviderName, nseProviderNamespace } = endpoint;
  const served = {
    id,
    requestId,
    service,
    endpoint: { name: nseProviderName, namespace: nseProviderNamespace },
  };
  const takeBack = () => tellEndpoint(node, served, 'the connection could not be made');
  const { reply, namespace } = await transaction.step(
    'ask the endpoint',
    async () => {
      try {
        return await node.endpoints.request(
          endpoint,
          {
            requestId,
            networkServiceName: service,
            interface: question.interface,
            ...(question.labels ? { labels: question.labels } : {}),
            endpointParameters: {
              interfaceName,
              mac: mac.endpoint,
              mtu: question.mtu.usual,
              connectionId: id,
            },
            maxMtu: question.mtu.most,
          },
          transaction.signal,
        );
      } catch (error) {
        // Unless it has refused, it may have accepted, or do so yet. Nobody waits for one that is slow.
        if (NsmError.from(error).kind !== 'endpoint-refused') void takeBack();
        throw error;
      }
    },
    takeBack,
  );
  admitEndpointParameters(reply.clientParameters, endpoint.nseProviderName);
  admitEndpointParameters(reply.endpointParameters, endpoint.nseProviderName);

  let addresses = {
    client: addressesOf(reply.clientParameters),
    endpoint: addressesOf(reply.endpointParameters),
  };
  let pairs: readonly AddressPair[] = [];
  if (addresses.client.length === 0 && addresses.endpoint.length === 0) {
    const routed = obstacles(node, namespace.prefixes);
    const { offered, offeredIsOwn = true } = question;
    const collides = offered.some(
      ({ prefix }) =>
        (!offeredIsOwn && node.pools.has(prefix)) ||
        routed.some((other) => overlaps(other, parsePrefix(prefix))),
    );
    const usable = offered.length > 0 && !collides;
    const taken = usable
      ? offered
      : await transaction.step(
          'allocate addresses',
          () => allocate(node, prefixesOf(node, endpoint), [...question.excluded, ...routed]),
          (allocated) => releasePairs(node, allocated),
        );
    addresses = {
      client: taken.map(({ client }) => client),
      endpoint: taken.map(({ endpoint: other }) => other),
    };
    pairs = usable && !offeredIsOwn ? [] : taken;
  }
  const mtu = agreedMtu(question.mtu, reply.clientParameters?.mtu ?? 0);
  // An endpoint may answer on another device than the connection's own, as behind a bridge.
  const told = reply.clientParameters?.peerAddresses ?? [];
  const common = { mtu, connectionId: id };
  return {
    namespace,
    pairs,
    client: create(ConnectionParametersSchema, {
      ...common,
      mac: mac.client,
      address: addresses.client[0] ?? '',
      addresses: addresses.client,
      peerAddresses: told.length > 0 ? told : addresses.endpoint.map(withoutLength),
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

export type PortInit = Omit<fw.Port, '$typeName' | '$unknown'>;

/** A pod's side of a cross-connect, with each route through the other side's address of the same version. */
export function portOf(
  chosen: Interface,
  namespace: fw.Namespace,
  uid: number,
  parameters: ConnectionParameters,
): PortInit {
  const gateways = new Map<4 | 6, string>();
  for (const address of parameters.peerAddresses.toReversed())
    gateways.set(parsePrefix(address).version, address);
  const gateway = (destination: string): string => gateways.get(destination.includes(':') ? 6 : 4) ?? '';
  return {
    type: chosen.type,
    // Routes matter for the choice of addresses alone, and there may be many.
    namespace: { ...namespace, prefixes: [], addresses: [] },
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
    formerName: '',
    takesOver: '',
    reservedNames: [],
    uid,
  };
}

function withoutLength(address: string): string {
  return address.replace(/\/\d+$/, '');
}
