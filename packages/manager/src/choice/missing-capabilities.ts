// What this node cannot do, and why, as its forwarder found out by trying: refusals say so.
import {
  type forwarder as fw,
  type InterfaceType,
  interfaceNames,
  type TunnelType,
  tunnelNames,
} from '@nsm/api';

export type Capabilities = Pick<fw.Capabilities, 'interfaces' | 'tunnels'>;

export class MissingCapabilities {
  #interfaces: Capabilities['interfaces'] = [];
  #tunnels: ReadonlyMap<TunnelType, string> = new Map();

  /** From now on this is what it can do. */
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
        if (missing) return `; ${interfaceNames[type]}: ${missing}`;
        return where === 'tunnelled' && missingOverTunnels
          ? `; ${interfaceNames[type]} over a tunnel: ${missingOverTunnels}`
          : '';
      })
      .join('');
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
