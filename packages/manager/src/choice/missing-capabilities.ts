// What this node cannot do, and why, as its forwarder found out by trying: refusals say so.
import {
  type forwarder as fw,
  type InterfaceType,
  interfaceTypeName,
  TunnelType,
  tunnelNames,
} from '@nsm/api';

/** Every kind of tunnel there is. */
export const allTunnels: readonly TunnelType[] = Object.values(TunnelType).filter(
  (type) => type !== TunnelType.DEFAULT_TUNNEL,
);

export type Capabilities = Pick<fw.Capabilities, 'interfaces' | 'tunnels'>;

export class MissingCapabilities {
  #interfaces: Capabilities['interfaces'] = [];
  #tunnels: ReadonlyMap<TunnelType, string> = new Map();

  /** Replaces what was known of this node before. */
  learn({ interfaces, tunnels }: Capabilities): this {
    this.#interfaces = interfaces;
    const working = new Set(tunnels.filter(({ missing }) => missing === '').map(({ type }) => type));
    this.#tunnels = new Map(
      tunnels.flatMap(({ type, missing }) => (working.has(type) ? [] : [[type, missing] as const])),
    );
    return this;
  }

  /** Kinds of tunnel that no engine carries here. */
  get tunnels(): ReadonlyMap<TunnelType, string> {
    return this.#tunnels;
  }

  /** Of the types that a client asks for, those that cannot be made here, or not be brought to another node: `; TYPE: why`. */
  ofInterfaces(asked: ReadonlySet<InterfaceType>, where: 'locally' | 'tunnelled'): string {
    return this.#interfaces
      .filter(({ type }) => asked.has(type))
      .map(({ type, missing, missingOverTunnels }) => {
        if (missing) return `; ${interfaceTypeName(type)}: ${missing}`;
        return where === 'tunnelled' && missingOverTunnels
          ? `; ${interfaceTypeName(type)} over a tunnel: ${missingOverTunnels}`
          : '';
      })
      .join('');
  }

  /** Every kind of tunnel that is not among `possible`, and why where that is known: the operator may not want it. */
  tunnelsBut(
    possible: readonly { readonly type: TunnelType }[],
    obstacles: readonly Pick<fw.TunnelCapability, 'type' | 'missing'>[],
  ): { readonly type: TunnelType; readonly why: string }[] {
    const there = new Set(possible.map(({ type }) => type));
    return allTunnels
      .filter((type) => !there.has(type))
      .map((type) => {
        const inTheWay = obstacles.find((one) => one.type === type)?.missing;
        return { type, why: this.#tunnels.get(type) ?? inTheWay ?? "not among the service's --tunnel types" };
      });
  }

  /**
   * Of these kinds of tunnel those that no engine carries here, or that do not lead to another node: `KIND, KIND: why; …`.
   * @param obstacles on the way to that node.
   */
  ofTunnels(
    types: readonly TunnelType[],
    obstacles: readonly Pick<fw.TunnelCapability, 'type' | 'missing'>[],
  ): string {
    const inTheWay = new Map(obstacles.map(({ type, missing }) => [type, missing]));
    const byReason = new Map<string, string[]>();
    for (const type of types) {
      const why = this.#tunnels.get(type) ?? inTheWay.get(type);
      const name = tunnelNames[type];
      if (why !== undefined && name !== undefined) byReason.set(why, [...(byReason.get(why) ?? []), name]);
    }
    return [...byReason].map(([why, names]) => `${names.join(', ')}: ${why}`).join('; ');
  }
}
