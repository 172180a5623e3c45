// The tunnel of a half that is made for another manager: its type, both addresses, its identifier, and the MTU through it.
import { type InterfaceType, NsmError, type proxy, type TunnelType } from '@nsm/api';
import { chooseTunnel, restrictTunnels } from '../choice/negotiation.js';
import type { RequestComponents } from './components.js';
import type { Transaction } from './transaction.js';

export interface HalfTunnel {
  /** This node's end. */
  readonly end: {
    readonly type: TunnelType;
    readonly local: string;
    readonly remote: string;
    readonly identifier: number;
    readonly port: number;
  };
  /** Bytes of the largest packet that both nodes' ends take. */
  readonly mtu: number;
}

/**
 * Chooses the tunnel's type, and takes an identifier that the client's node proposes.
 * @throws NsmError `no-common-tunnel`, `no-identifier`
 */
export async function agreeOnTunnel(
  components: RequestComponents,
  request: proxy.ProxyConnectionRequest,
  own: InterfaceType,
  callerAddress: string,
  transaction: Transaction,
): Promise<HalfTunnel> {
  // A manager that knows only the specification tells no address: its call came from one.
  const remote =
    request.tunnelType.find(({ parameters }) => parameters?.address)?.parameters?.address ?? callerAddress;
  const { tunnels, obstacles } = await transaction.course.step('find the tunnels to its node', () =>
    components.offers.to(remote),
  );
  const { theirs, ours } = chooseTunnel(
    request.tunnelType,
    restrictTunnels(tunnels, components.tunnels, request.networkServiceName).filter(({ type }) =>
      components.wirings.tunnelled(own, type),
    ),
    (types) => components.missingCapabilities.ofTunnels(types, obstacles),
  );
  const identifier = await transaction.step(
    'take a tunnel identifier',
    () => takeIdentifier(components, theirs.parameters?.proposedIdentifiers ?? []),
    (taken) => components.identifiers.release(taken),
  );
  const { address: local = '', port = 0, mtu = 0 } = ours.parameters ?? {};
  return {
    end: { type: ours.type, local, remote, identifier, port },
    mtu: Math.min(theirs.parameters?.mtu || Number.POSITIVE_INFINITY, mtu),
  };
}

function takeIdentifier({ identifiers }: RequestComponents, proposed: readonly number[]): number {
  const candidates = proposed.length > 0 ? proposed : identifiers.propose(1).identifiers;
  const taken =
    proposed.length > 0 ? candidates.find((identifier) => identifiers.take(identifier)) : candidates[0];
  if (taken === undefined)
    throw new NsmError('no-identifier', 'every tunnel identifier proposed is in use on this node; try again');
  return taken;
}
