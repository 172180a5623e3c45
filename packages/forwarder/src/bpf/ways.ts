// The ways by which this node's tunnels reach other nodes, kept up with the kernel's routes.

import { NsmError } from '@nsm/api';
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import type { TunnelKind } from './tunnel-kind.js';
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
  readonly #peers = new Map<string, Peer>();

  /**
   * @param moved called with the ways that are others now, by what `wayKey` says.
   * @param listener is told of what else there is to be told while ways are followed.
   */
  constructor(
    socket: RouteSocket,
    moved: (ways: ReadonlyMap<string, Way>) => void,
    listener: Pick<UnderlayListener, 'device' | 'filters'>,
  ) {
    this.#socket = socket;
    this.#watch = new UnderlayWatch(socket, {
      ...listener,
      neighbour: (address) =>
        [...this.#peers.values()].some(({ kind, ends }) => kind.needsLink && ends.remote === address),
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
    return way;
  }

  /** The way that is followed; undefined when there is none. */
  known(kind: TunnelKind, ends: Ends): Way | undefined {
    return this.#peers.get(wayKey({ code: kind.code, ...ends }))?.way;
  }

  forget(key: string): void {
    this.#peers.delete(key);
  }

  /** Follows nothing, until the kernel is asked again. */
  stop(): void {
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
      moved.set(key, way);
    }
    return moved;
  }

  /** A neighbour that is not resolved, now or by another device, is believed to be the same still. */
  #newWay({ kind, ends, way: before }: Peer): Way | undefined {
    try {
      const way = wayTo(this.#socket, ends, kind, this.#watch.taken);
      return { ...way, sender: way.sender ?? before.sender };
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
