// The tunnel of a half that is made for another manager: its type, both addresses, and the MTU through it; then its identifier.
import { type InterfaceType, NsmError, type proxy, type Tunnel, type TunnelType } from '@nsm/api';
import type { Steps } from '@nsm/observe';
import { chooseTunnel, restrictTunnels } from '../choice/negotiation.js';
import type { Offer } from '../choice/tunnel-offers.js';
import type { RequestComponents } from './components.js';
import type { Transaction } from './transaction.js';

/** What the client's manager proposes, and the IP address from which it calls. */
interface TunnelRequest {
  readonly request: proxy.ProxyConnectionRequest;
  readonly callerAddress: string;
}

/** Which tunnel it will be. Nothing of it is taken yet. */
export interface ChosenTunnel {
  /** This node's end, without an identifier. */
  readonly end: {
    readonly type: TunnelType;
    readonly local: string;
    readonly remote: string;
    readonly port: number;
  };
  /** Identifiers that the client's node proposes. */
  readonly proposed: readonly number[];
  /** Bytes of the largest packet that both nodes' ends take. */
  readonly mtu: number;
}

/** What this node can do towards another node, of what a service may go over, and what it cannot and why. */
export async function tunnelsTowards(
  components: RequestComponents,
  remote: string,
  service: string,
  own: (type: TunnelType) => boolean,
): Promise<{ readonly tunnels: readonly Tunnel[]; readonly obstacles: Offer['obstacles'] }> {
  const { tunnels, obstacles } = await components.offers.to(remote);
  const possible = restrictTunnels(tunnels, components.tunnels, service);
  return { tunnels: possible.filter(({ type }) => own(type)), obstacles };
}

/** A manager that knows only the specification tells no address: its call came from one. */
export function addressOfCaller({ request, callerAddress }: TunnelRequest): string {
  const told = request.tunnelType.find(({ parameters }) => parameters?.address);
  return told?.parameters?.address ?? callerAddress;
}

/**
 * Chooses the tunnel's type.
 * @param own this node's interface type.
 * @throws NsmError `no-common-tunnel`
 */
export async function agreeOnTunnel(
  components: RequestComponents,
  asked: TunnelRequest,
  own: InterfaceType,
  course: Pick<Steps, 'step'>,
): Promise<ChosenTunnel> {
  const { request } = asked;
  const remote = addressOfCaller(asked);
  const { tunnels, obstacles } = await course.step('find the tunnels to its node', () =>
    tunnelsTowards(components, remote, request.networkServiceName, (type) =>
      components.abilities.wirings.tunnelled(own, type),
    ),
  );
  const { theirs, ours } = chooseTunnel(request.tunnelType, tunnels, (types) =>
    components.abilities.missingCapabilities.ofTunnels(types, obstacles),
  );
  const { address: local = '', port = 0, mtu = 0 } = ours.parameters ?? {};
  return {
    end: { type: ours.type, local, remote, port },
    proposed: theirs.parameters?.proposedIdentifiers ?? [],
    mtu: Math.min(theirs.parameters?.mtu || Number.POSITIVE_INFINITY, mtu),
  };
}

/** Takes an identifier that the client's node proposes. @throws NsmError `no-identifier` */
export async function takeIdentifier(
  { identifiers }: RequestComponents,
  { proposed }: ChosenTunnel,
  transaction: Transaction,
): Promise<number> {
  return await transaction.step(
    'take a tunnel identifier',
    () => {
      const candidates = proposed.length > 0 ? proposed : identifiers.propose(1).identifiers;
      const taken =
        proposed.length > 0 ? candidates.find((identifier) => identifiers.take(identifier)) : candidates[0];
      if (taken !== undefined) return taken;
      throw new NsmError(
        'no-identifier',
        'every tunnel identifier proposed is in use on this node; try again',
      );
    },
    (taken) => identifiers.release(taken),
  );
}
