// What tunnels this node can make towards another: underlay address, MTU and port for each kind.
import { NsmError, type TunnelType } from '@nsm/api';
import { IpPrefix, type RouteSocket, type RouteType } from '@nsm/netlink';
import { UnderlayWatch } from '../bpf/underlay-watch.js';
import { validAddress } from '../port/valid-cross-connect.js';
import type { Wiring } from '../port/wiring.js';

export interface TunnelOffer {
  readonly type: TunnelType;
  readonly parameters: { readonly address: string; readonly mtu: number; readonly port: number };
}

export interface Offer {
  readonly tunnels: TunnelOffer[];
  /** Kinds that work here and do not lead to the other node, and why. */
  readonly obstacles: { readonly type: TunnelType; readonly missing: string; readonly engine: string }[];
  readonly way: { readonly device: string; readonly via: string; readonly mtu: number };
}

/** Other nodes whose offers are watched over; beyond that all are forgotten, and said to have changed. */
const maxRemembered = 4096;

/** What would be offered now, where it was asked for. */
interface Given {
  readonly remote: string;
  readonly local: string;
  /** Undefined: there is no route. */
  readonly offer: string | undefined;
}

/**
 * Offers of tunnels to other nodes: an offer holds until `changed` is called. It is called for each change after that as well, though
 * nobody asked again: tunnels may have been made by what was offered before.
 */
export class TunnelOffers {
  readonly #socket: RouteSocket;
  readonly #wirings: readonly Wiring[];
  readonly #changed: () => void;
  readonly #watch: UnderlayWatch;
  readonly #given = new Map<string, Given>();

  /**
   * @param wirings the wirings that work, in order of preference.
   * @param changed called when an offer would not be made like that any more.
   */
  constructor(socket: RouteSocket, wirings: readonly Wiring[], changed: () => void) {
    this.#socket = socket;
    this.#wirings = wirings;
    this.#changed = changed;
    this.#watch = new UnderlayWatch(socket, { changed: () => this.#compare() });
  }

  /**
   * @param remoteText underlay address of the other node.
   * @param localText this node's underlay address; '' takes the address that the kernel routes with.
   * @throws NetlinkError when there is no route, NsmError `invalid` for what is no address.
   */
  offer(remoteText: string, localText: string): Offer {
    const [remote, local] = [validAddress(remoteText), validAddress(localText)];
    this.#watch.start();
    const offer = offerTunnels(this.#socket, this.#wirings, remote, local);
    if (this.#given.size >= maxRemembered) {
      this.#given.clear();
      this.#changed();
    }
    this.#given.set(`${remote} ${local}`, { remote, local, offer: JSON.stringify(offer) });
    return offer;
  }

  stop(): void {
    this.#watch.stop();
  }

  #compare(): void {
    let changed = false;
    for (const [key, { remote, local, offer: before }] of this.#given) {
      const offer = this.#offerNow(remote, local);
      if (offer === before) continue;
      this.#given.set(key, { remote, local, offer });
      changed = true;
    }
    if (changed) this.#changed();
  }

  #offerNow(remote: string, local: string): string | undefined {
    try {
      return JSON.stringify(offerTunnels(this.#socket, this.#wirings, remote, local));
    } catch {
      return undefined;
    }
  }
}

/** What no tunnel can go to. Were both ends this node's, neither the kernel nor eBPF could tell them apart. */
function noOtherNode(remote: string, type: RouteType): string {
  if (type === 'unicast') return '';
  if (type !== 'local')
    return `${remote} is no address of a node: the kernel has a route of type ${type} to it`;
  return `${remote} is an address of this node itself, so the other manager runs in the same network namespace, where it needs one of its own, or its --advertise is wrong`;
}

/** The address may come yet, or again: by DHCP, or from another node that had it. */
function notHere(local: string): string {
  return `no device of this node has the address ${local}, which --tunnel-address names`;
}

function offerTunnels(socket: RouteSocket, wirings: readonly Wiring[], remote: string, local: string): Offer {
  const route = socket.routeTo(remote);
  const address = local || route.source;
  if (!address) throw new NsmError('dataplane', `the kernel names no source address towards ${remote}`);
  const uplink = socket.link(route.device);
  const underlayMtu = route.mtu ?? uplink?.mtu ?? 1500;
  const tunnels = new Map<TunnelType, TunnelOffer>();
  const obstacles = new Map<TunnelType, Offer['obstacles'][number]>();
  const { version } = IpPrefix.ofAddress(remote);
  const absent =
    local !== '' && socket.addresses().every((own) => IpPrefix.of(own.address).address !== local);
  for (const wiring of wirings) {
    const { tunnel: type, overhead, largest = underlayMtu, port = 0, engine } = wiring;
    // The first engine of a kind serves it.
    if (type === undefined || !overhead || tunnels.has(type)) continue;
    const inTheWay = noOtherNode(remote, route.type) || (absent ? notHere(local) : '');
    const missing = inTheWay || (wiring.obstacle?.(route, uplink) ?? '');
    if (missing !== '') obstacles.set(type, { type, missing, engine });
    else {
      const mtu = Math.min(underlayMtu, largest) - overhead[version];
      tunnels.set(type, { type, parameters: { address, mtu, port } });
    }
  }
  for (const type of tunnels.keys()) obstacles.delete(type);
  return {
    tunnels: [...tunnels.values()],
    obstacles: [...obstacles.values()],
    way: { device: uplink?.name ?? '', via: route.gateway ?? '', mtu: underlayMtu },
  };
}
