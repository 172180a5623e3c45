// Asks the manager of an endpoint on another node for its half, and agrees with it on an interface, a tunnel and addresses.
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Interface, NsmError, type Tunnel, TunnelSchema, traitsOf } from '@nsm/api';
import type { AddressPair } from '../addresses/address-pools.js';
import { inTheWayOf, obstacles, prefixesThere } from '../addresses/allocation.js';
import type { Reservation } from '../addresses/identifiers.js';
import { judgeProxyReply, type ProxyAnswer } from '../admission/proxy-reply.js';
import { impossibleTunnels, interfaceList, tunnelable } from '../choice/negotiation.js';
import type { Peer } from '../peers/peer-managers.js';
import { connectionHash } from '../state/connection.js';
import { ownHolder } from '../state/holder.js';
import { quote } from '../untrusted-text.js';
import { tunnelsTowards } from './agree-on-tunnel.js';
import type { Attempt } from './attempt.js';
import type { RequestComponents } from './components.js';
import { takeAddresses } from './take-addresses.js';
import type { Transaction } from './transaction.js';

/** Tunnel identifiers proposed to the other manager: hardly ever are all of them taken there. */
const identifiersProposed = 4;

export interface ManagerAnswer extends ProxyAnswer {
  readonly peer: Peer & { readonly connectionId: string };
  /** Of the tunnel identifiers that were proposed. */
  readonly reservation: Reservation;
  readonly pairs: readonly AddressPair[];
}

/** @throws NsmError for every refusal. What was taken is given back by the transaction. */
export async function askManager(
  components: RequestComponents,
  attempt: Attempt,
  transaction: Transaction,
): Promise<ManagerAnswer> {
  const { id, request, endpoint, namespace } = attempt;
  const { requestId, networkServiceName } = request;
  const { course } = transaction;
  const manager = endpoint.networkServiceHost;
  const { address, calledAt, tunnels, interfaces } = await course.step('find the tunnels to its node', () =>
    offerTo(components, manager, networkServiceName, attempt.interfaces),
  );
  const peer = { manager, address, connectionId: id };

  const reservation = await transaction.step(
    'propose tunnel identifiers',
    () => components.identifiers.propose(identifiersProposed),
    (reserved) => reserved.release(),
  );
  // The client's manager allocates: the addresses then outlive the endpoint, and its node.
  const pairs =
    attempt.former?.pairs ??
    (await takeAddresses(components, transaction, 'propose addresses', {
      endpoint,
      excluded: obstacles(components, namespace.prefixes),
      holder: ownHolder(attempt),
      verdict: attempt.verdict,
    }));
  const halfId = randomUUID();
  const reply = await transaction.step(
    'ask the other manager',
    (step) =>
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
          halfId,
          clientKey: connectionHash(attempt.key),
          toldMtu: attempt.former?.mtu ?? 0,
          interface: [...interfaces],
          excludedPrefixes: inTheWayOf(prefixesThere(components, endpoint), namespace.prefixes),
          addressPairs: pairs.map(({ client, endpoint: other, prefix }) => ({
            client,
            endpoint: other,
            prefix,
          })),
          client: attempt.client,
          ...(request.labels ? { labels: request.labels } : {}),
        },
        { signal: transaction.signal, ...course.call(step, { component: 'manager', manager }) },
      ),
    (_, why) =>
      components.peers.close(peer, {
        requestId,
        networkServiceName,
        connectionId: id,
        halfId,
        managerName: components.self.name,
        reason: why.toAdmissionError(),
      }),
  );
  return {
    ...judgeProxyReply(manager, reply, {
      interfaces,
      tunnels,
      identifiers: reservation.identifiers,
      pairs,
      calledAt,
    }),
    peer,
    reservation,
    pairs,
  };
}

/** What this node offers the other: tunnels in its order, and the client's interfaces that they can bring there. */
export interface Offered {
  readonly address: string;
  /** IP address of the other manager. */
  readonly calledAt: string;
  readonly tunnels: readonly Tunnel[];
  readonly interfaces: readonly Interface[];
}

/** @throws NsmError `manager-unreachable`, `no-common-tunnel` or `no-common-interface` */
export async function offerTo(
  components: RequestComponents,
  manager: string,
  service: string,
  asked: readonly Interface[],
): Promise<Offered> {
  const address = components.peers.addressOf(manager);
  const calledAt = await components.peers.resolve(manager, address);
  const { tunnels, obstacles } = await tunnelsTowards(components, calledAt, service, () => true);
  if (tunnels.length === 0 && !asked.every(({ type }) => traitsOf(type).hasOwnWire))
    throw new NsmError(
      'no-common-tunnel',
      `no tunnel of this node leads to manager ${quote(manager)}: ` +
        components.abilities.missingCapabilities.ofTunnels(
          impossibleTunnels(components.tunnels, service),
          obstacles,
        ),
    );
  const interfaces = tunnelable(asked, tunnels, components.abilities.wirings);
  if (interfaces.length > 0) return { address, calledAt, tunnels, interfaces };
  throw new NsmError(
    'no-common-interface',
    `the client asks for ${interfaceList(asked)}, and its node can join ${components.abilities.wirings.list('tunnelled')} to another node` +
      components.abilities.missingCapabilities.ofInterfaces(
        new Set(asked.map(({ type }) => type)),
        'tunnelled',
      ),
  );
}

export function proposing({ type, parameters }: Tunnel, identifiers: readonly number[]): Tunnel {
  const { address = '', mtu = 0, port = 0 } = parameters ?? {};
  return create(TunnelSchema, {
    type,
    parameters: { address, mtu, port, proposedIdentifiers: [...identifiers] },
  });
}
