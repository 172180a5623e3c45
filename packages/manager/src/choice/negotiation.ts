// Agreeing on an interface type between client, endpoint and forwarder, and on a tunnel type between two managers.
import {
  type Interface,
  InterfacePreference,
  InterfaceType,
  interfaceNames,
  NsmError,
  type Tunnel,
  TunnelType,
  tunnelNames,
} from '@nsm/api';

/** What DEFAULT_INTERFACE stands for, the best first. */
const interfaceDefaults: readonly InterfaceType[] = [
  InterfaceType.KERNEL_INTERFACE,
  InterfaceType.MEM_INTERFACE,
  InterfaceType.VHOST_INTERFACE,
  InterfaceType.SRIOV_INTERFACE,
  InterfaceType.HW_INTERFACE,
];

/** FIRST to FIFTH, then those without a preference in list order. */
export function inOrderOfPreference(interfaces: readonly Interface[]): Interface[] {
  const rank = ({ preference }: Interface): number =>
    preference === InterfacePreference.NO_PREFERENCE ? Number.POSITIVE_INFINITY : preference;
  return interfaces.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

/**
 * The first of the client's interfaces that the endpoint accepts and the forwarder can make.
 * @param endpoint the endpoint's interfaces; empty accepts any.
 * @param capable types that work on this node, or undefined when another node decides.
 */
export function chooseInterface(
  client: readonly Interface[],
  endpoint: readonly Interface[],
  capable?: ReadonlySet<InterfaceType>,
): Interface | undefined {
  const accepted = (type: InterfaceType): boolean =>
    endpoint.length === 0 ||
    endpoint.some((offered) => offered.type === type || offered.type === InterfaceType.DEFAULT_INTERFACE);
  const possible = (type: InterfaceType): boolean => accepted(type) && (capable?.has(type) ?? true);
  // An endpoint that leaves the choice to us gets its own order where the client has none.
  const endpointOrder = inOrderOfPreference(endpoint)
    .map(({ type }) => type)
    .filter((type) => type !== InterfaceType.DEFAULT_INTERFACE);
  for (const wanted of inOrderOfPreference(client)) {
    const types =
      wanted.type === InterfaceType.DEFAULT_INTERFACE
        ? [...endpointOrder, ...interfaceDefaults]
        : [wanted.type];
    const type = types.find(possible);
    if (type !== undefined) return { ...wanted, type };
  }
  return undefined;
}

/**
 * What this node does of what it can.
 * @param possible tunnels that the forwarder offers, in its order.
 * @param wantedFor the only types to use by service, in order of preference; '' for all others. Neither: all.
 */
export function restrictTunnels(
  possible: readonly Tunnel[],
  wantedFor: ReadonlyMap<string, readonly TunnelType[]>,
  service: string,
): readonly Tunnel[] {
  const wanted = wantedFor.get(service) ?? wantedFor.get('');
  if (!wanted) return possible;
  return wanted.flatMap((type) => possible.filter((tunnel) => tunnel.type === type));
}

/**
 * The first tunnel type in the client manager's order that this node can do too.
 * @param offered what the client's manager can do, in its order of preference.
 * @param own what this node can do towards it, in its own order.
 * @throws NsmError `no-common-tunnel`
 */
export function chooseTunnel(
  offered: readonly Tunnel[],
  own: readonly Tunnel[],
): { readonly theirs: Tunnel; readonly ours: Tunnel } {
  for (const theirs of offered) {
    const ours =
      theirs.type === TunnelType.DEFAULT_TUNNEL ? own[0] : own.find(({ type }) => type === theirs.type);
    if (ours) return { theirs, ours };
  }
  throw new NsmError(
    'no-common-tunnel',
    `no tunnel type in common: the client's node offers ${tunnelList(offered)}, this node can do ${tunnelList(own)}`,
  );
}

export function interfaceList(interfaces: readonly Interface[]): string {
  return interfaces.map(({ type }) => interfaceNames[type] ?? `type ${type}`).join(', ') || 'none';
}

function tunnelList(tunnels: readonly Tunnel[]): string {
  return tunnels.map(({ type }) => tunnelNames[type] ?? `type ${type}`).join(', ') || 'none';
}
