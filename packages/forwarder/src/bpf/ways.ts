// The ways by which this node's tunnels reach other nodes, kept up with the kernel's routes.

import { NsmError } from '@nsm/api';
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import { LinkPeers } from './link-peers.js';
import type { TunnelKind } from './tunnel-kind.js';
import type { TunnelMaps } from './tunnel-maps.js';
import type { TunnelEntry } from './tunnel-structures.js';
import { type Ends, sameWay, type Way, wayTo } from './underlay.js';
import { type UnderlayListener, UnderlayWatch } from './underlay-watch.js';

/** All tunnels of one kind between two addresses go the same way. */
interface Peer {
  readonly kind: TunnelKind;
  readonly ends: Ends;
  way: Way;
}

export class Ways {
  readonly #socket: RouteSocket;
  readonly #watch: UnderlayWatch;
  readonly #onLinks: LinkPeers;
  readonly #peers = new Map<string, Peer>();

  /**
   * @param moved called with the ways that are others now, by what `wayKey` says.
   * @param listener is told of what else there is to be told while ways are followed.
   * @param maps undefined while there are none.
   */
  constructor(
    socket: RouteSocket,
    moved: (ways: ReadonlyMap<string, Way>) => void,
    listener: Pick<UnderlayListener, 'device' | 'filters' | 'setting'>,
    maps: () => TunnelMaps | undefined,
  ) {
    this.#socket = socket;
    this.#onLinks = new LinkPeers(socket, maps);
    this.#watch = new UnderlayWatch(socket, {
      ...listener,
      device: (link, gone) => {
        if (gone) this.#onLinks.deviceGone(link.index);
        listener.device?.(link, gone);
      },
      neighbour: (neighbour) => this.#onLinks.note(neighbour),
      changed: () => {
        const ways = this.#follow();
        if (ways.size > 0) moved(ways);
      },
    });
  }

  /** Asks the kernel, and follows it from now on. @throws NetlinkError when there is no route, NsmError when the kind cannot go there. */
  ask(kind: TunnelKind, ends: Ends): Way {
    this.#watch.start();
    const way = wayTo(this.#socket, ends, kind, this.#watch.taken);
    this.#peers.set(wayKey({ code: kind.code, ...ends }), { kind, ends, way });
    if (kind.needsLink) this.#onLinks.follow(ends, way.uplink);
    return way;
  }

  /** The way that is followed; undefined when there is none. */
  known(kind: TunnelKind, ends: Ends): Way | undefined {
    return this.#peers.get(wayKey({ code: kind.code, ...ends }))?.way;
  }

  forget(key: string): void {
    const { kind, ends } = this.#peers.get(key) ?? {};
    if (kind?.needsLink && ends) this.#onLinks.forget(ends);
    this.#peers.delete(key);
  }

  /** Forgets all others. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#peers.keys()) if (!keys.has(key)) this.forget(key);
  }

  /** Follows nothing, until the kernel is asked again. */
  stop(): void {
    this.#onLinks.stop();
    this.#watch.stop();
    this.#peers.clear();
  }

  /** Where there is no way now, the next event may bring one. */
  #follow(): ReadonlyMap<string, Way> {
    const moved = new Map<string, Way>();
    for (const [key, peer] of this.#peers) {
      const way = this.#newWay(peer);
      if (!way || sameWay(way, peer.way)) continue;
      peer.way = way;
      if (peer.kind.needsLink) this.#onLinks.follow(peer.ends, way.uplink);
      moved.set(key, way);
    }
    return moved;
  }

  /** Who was known once is known still, on whatever device. */
  #newWay({ kind, ends, way: before }: Peer): Way | undefined {
    try {
      const way = wayTo(this.#socket, ends, kind, this.#watch.taken);
      return { ...way, senderKnown: way.senderKnown || before.senderKnown };
    } catch (error) {
      if (error instanceof NetlinkError || error instanceof NsmError) return undefined;
      throw error;
    }
  }
}

/** What tunnels that go the same way have in common. */
export function wayKey({ code, local, remote }: Pick<TunnelEntry, 'code' | 'local' | 'remote'>): string {
  return `${code} ${local} ${remote}`;
}
