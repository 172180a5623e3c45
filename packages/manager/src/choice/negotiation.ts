// Agreeing on an interface type between client, endpoint and forwarder, and on a tunnel type between two managers.
import { create } from '@bufbuild/protobuf';
import {
  type Interface,
  InterfacePreference,
  InterfaceSchema,
  InterfaceType,
  interfaceTypeName,
  interfaceTypes,
  NsmError,
  type Tunnel,
  TunnelType,
  traitsOf,
  tunnelNames,
} from '@nsm/api';
import { allTunnels } from './missing-capabilities.js';
import type { WiringMatrix } from './wiring-matrix.js';

/** FIRST to FIFTH, then those without a preference in list order. */
export function inOrderOfPreference(interfaces: readonly Interface[]): Interface[] {
  const rank = ({ preference }: Interface): number =>
    preference === InterfacePreference.NO_PREFERENCE ? Number.POSITIVE_INFINITY : preference;
  return interfaces.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

/** An interface for each side, with the parameters that side asked for. */
export interface AgreedInterfaces {
  readonly client: Interface;
  readonly endpoint: Interface;
}

/**
 * The first of the client's interfaces that can be joined to one that the endpoint accepts: to one of the same type where
 * that is possible, else to the first in the endpoint's order.
 * @param endpoint the endpoint's interfaces; empty accepts any.
 * @param joined whether a client's type can be joined to an endpoint's.
 */
export function chooseInterfaces(
  client: readonly Interface[],
  endpoint: readonly Interface[],
  joined: (client: InterfaceType, endpoint: InterfaceType) => boolean,
): AgreedInterfaces | undefined {
  const { DEFAULT_INTERFACE } = InterfaceType;
  const listed = inOrderOfPreference(endpoint).filter(({ type }) => type !== DEFAULT_INTERFACE);
  const any =
    endpoint.length === 0 ? create(InterfaceSchema) : endpoint.find(({ type }) => type === DEFAULT_INTERFACE);
  // Who leaves the choice open gets what the other side prefers.
  const theirs = listed.map(({ type }) => type);
  const accepted = any ? [...theirs, ...interfaceTypes] : theirs;
  for (const wanted of inOrderOfPreference(client)) {
    const types = wanted.type === DEFAULT_INTERFACE ? [...theirs, ...interfaceTypes] : [wanted.type];
    for (const type of types) {
      const same = accepted.filter((other) => other === type);
      const other = [...same, ...accepted].find((candidate) => joined(type, candidate));
      if (other === undefined) continue;
      const offered = listed.find((candidate) => candidate.type === other);
      const own = offered ?? (any && { ...any, type: other });
      if (own) return { client: { ...wanted, type }, endpoint: own };
    }
  }
  return undefined;
}

/**
 * What a client asks for, as far as this node can bring it to any of the tunnels; what DEFAULT_INTERFACE stands for is
 * spelled out, because the other manager does not know what this node can do.
 */
export function tunnelable(
  client: readonly Interface[],
  tunnels: readonly Tunnel[],
  wirings: WiringMatrix,
): Interface[] {
  const { DEFAULT_INTERFACE } = InterfaceType;
  const { NO_PREFERENCE } = InterfacePreference;
  const spelledOut = inOrderOfPreference(client).flatMap((wanted) =>
    wanted.type === DEFAULT_INTERFACE ? interfaceTypes.map((type) => ({ ...wanted, type })) : [wanted],
  );
  return spelledOut
    .filter(({ type }, index) => spelledOut.findIndex((other) => other.type === type) === index)
    .filter(({ type }) =>
      traitsOf(type).hasOwnWire
        ? wirings.remotely(type, type)
        : tunnels.length > 0 && tunnels.every((tunnel) => wirings.tunnelled(type, tunnel.type)),
    )
    .map((wanted) => ({ ...wanted, preference: NO_PREFERENCE }));
}

type WantedTunnels = ReadonlyMap<string, readonly TunnelType[]>;

/**
 * What this node does of what it can.
 * @param possible tunnels that the forwarder offers, in its order.
 * @param wantedFor the only types to use by service, in order of preference; '' for all others. Neither: all.
 */
export function restrictTunnels(
  possible: readonly Tunnel[],
  wantedFor: WantedTunnels,
  service: string,
): readonly Tunnel[] {
  const wanted = wantedFor.get(service) ?? wantedFor.get('');
  if (!wanted) return possible;
  return wanted.flatMap((type) => possible.filter((tunnel) => tunnel.type === type));
}

/** The tunnel types that a service may go over, where none of them is possible. */
export function impossibleTunnels(wantedFor: WantedTunnels, service: string): readonly TunnelType[] {
  return wantedFor.get(service) ?? wantedFor.get('') ?? allTunnels;
}

/**
 * The first tunnel type in the client manager's order that this node can do too.
 * @param offered what the client's manager can do, in its order of preference.
 * @param own what this node can do towards it, in its own order.
 * @param whyMissing says of types that were offered why this node cannot do them.
 * @throws NsmError `no-common-tunnel`
 */
export function chooseTunnel(
  offered: readonly Tunnel[],
  own: readonly Tunnel[],
  whyMissing: (types: readonly TunnelType[]) => string,
): { readonly theirs: Tunnel; readonly ours: Tunnel } {
  for (const theirs of offered) {
    const ours =
      theirs.type === TunnelType.DEFAULT_TUNNEL ? own[0] : own.find(({ type }) => type === theirs.type);
    if (ours) return { theirs, ours };
  }
  const reasons = whyMissing(
    offered.map(({ type }) => type).filter((type) => type !== TunnelType.DEFAULT_TUNNEL),
  );
  throw new NsmError(
    'no-common-tunnel',
    `no tunnel type in common: the client's node offers ${tunnelList(offered)}, this node can do ${tunnelList(own)}` +
      (reasons && `; ${reasons}`),
  );
}

export function interfaceList(interfaces: readonly Interface[]): string {
  const names = interfaces.map(({ type, parameters }) => {
    const { pool } = parameters?.interfaceParameters ?? {};
    return `${interfaceTypeName(type)}${pool === undefined ? '' : ` of pool "${pool}"`}`;
  });
  return names.join(', ') || 'none';
}

function tunnelList(tunnels: readonly Tunnel[]): string {
  return tunnels.map(({ type }) => tunnelNames[type] ?? `type ${type}`).join(', ') || 'none';
}
