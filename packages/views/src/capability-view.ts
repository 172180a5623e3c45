// What a forwarder can do.
import { type admin, type forwarder, interfaceName, TunnelType, tunnelName } from '@nsm/api';

export interface CapabilityView {
  readonly type: string;
  readonly works: boolean;
  /** What is missing and why; empty when it works. */
  readonly missing: string;
  readonly engine: string;
}

export function interfaceCapabilityView(capability: forwarder.InterfaceCapability): CapabilityView {
  const { type, missing, engine } = capability;
  return { type: interfaceName(type), works: missing === '', missing, engine };
}

export interface TunnelCapabilityView extends CapabilityView {
  /** Another engine carries this kind; this one does where that cannot. */
  readonly standsBy: boolean;
  /** What runs before the mesh's programs and may keep packets from them. */
  readonly obstacles: readonly string[];
}

export function tunnelCapabilityViews(
  capabilities: readonly forwarder.TunnelCapability[],
): TunnelCapabilityView[] {
  const serving = new Map(
    capabilities
      .filter(({ missing }) => missing === '')
      .map((one) => [one.type, one] as const)
      .reverse(),
  );
  return capabilities.map((one) => {
    const { type, missing, engine, obstacles } = one;
    const works = missing === '';
    const standsBy = works && serving.get(type) !== one;
    return { type: tunnelName(type), works, missing, engine, standsBy, obstacles };
  });
}

/** What the forwarder can join: two sides of one node, or a side and a tunnel. */
export interface JoinView {
  readonly client: string;
  /** Empty with a tunnel. */
  readonly endpoint: string;
  /** Empty on one node. */
  readonly tunnel: string;
}

export function joinView({ client, endpoint, tunnel }: forwarder.Join): JoinView {
  const local = tunnel === TunnelType.DEFAULT_TUNNEL;
  return {
    client: interfaceName(client),
    endpoint: local ? interfaceName(endpoint) : '',
    tunnel: local ? '' : tunnelName(tunnel),
  };
}

/** The only kinds of tunnel that the manager offers, of all that its node can make. */
export interface OnlyTunnelsView {
  /** '' for every service without kinds of its own. */
  readonly service: string;
  readonly types: readonly string[];
}

export function onlyTunnelsView({ service, types }: admin.OnlyTunnels): OnlyTunnelsView {
  return { service, types: types.map(tunnelName) };
}

/** `of which only gre is offered (--tunnel)`; '' where all are. */
export function onlyTunnelsText(only: readonly OnlyTunnelsView[]): string {
  const parts = only.map(
    ({ service, types }) => `only ${types.join(', ')}${service === '' ? '' : ` for service ${service}`}`,
  );
  return parts.length === 0 ? '' : `of which it offers ${parts.join('; ')} (--tunnel)`;
}
