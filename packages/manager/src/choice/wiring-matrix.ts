// Which interface types the forwarder of this node can join: to each other, and to tunnels.
import { type forwarder as fw, type InterfaceType, interfaceTypeName, TunnelType, traitsOf } from '@nsm/api';

export class WiringMatrix {
  #joins: readonly Pick<fw.Join, 'client' | 'endpoint' | 'tunnel'>[] = [];

  /** Replaces what the forwarder was known to join. */
  learn(joins: readonly Pick<fw.Join, 'client' | 'endpoint' | 'tunnel'>[]): this {
    this.#joins = joins;
    return this;
  }

  /** A client's side and an endpoint's, both on this node. */
  readonly locally = (client: InterfaceType, endpoint: InterfaceType): boolean =>
    this.#joins.some(
      (join) =>
        join.tunnel === TunnelType.DEFAULT_TUNNEL && join.client === client && join.endpoint === endpoint,
    );

  /** A side on this node and a tunnel, of a given type or any. */
  readonly tunnelled = (type: InterfaceType, tunnel?: TunnelType): boolean =>
    this.#joins.some(
      (join) =>
        join.tunnel !== TunnelType.DEFAULT_TUNNEL &&
        join.client === type &&
        (tunnel === undefined || join.tunnel === tunnel),
    );

  /**
   * The sides of two nodes, of which `own` is on this one: by some tunnel, whatever the other side is, or by a wire that
   * both are on.
   */
  readonly remotely = (own: InterfaceType, other: InterfaceType): boolean =>
    traitsOf(own).hasOwnWire || traitsOf(other).hasOwnWire
      ? own === other && this.locally(own, own)
      : this.tunnelled(own);

  /** For people: what joins two sides of one node, or a side and a tunnel. */
  list(where: 'locally' | 'tunnelled'): string {
    const { DEFAULT_TUNNEL } = TunnelType;
    const names = this.#joins
      .filter(({ client, tunnel }) =>
        where === 'locally'
          ? tunnel === DEFAULT_TUNNEL
          : tunnel !== DEFAULT_TUNNEL || traitsOf(client).hasOwnWire,
      )
      .map(({ client, endpoint }) =>
        where === 'tunnelled' || client === endpoint
          ? interfaceTypeName(client)
          : `${interfaceTypeName(client)} to ${interfaceTypeName(endpoint)}`,
      );
    return [...new Set(names)].join(', ') || 'nothing';
  }
}
