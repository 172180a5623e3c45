// Other nodes on links of this node, for tunnels without IP: their hardware addresses are those of the kernel's neighbour tables.
import { type Neighbour, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { Announcer } from './announcer.js';
import type { TunnelMaps } from './tunnel-maps.js';
import type { Sender } from './tunnel-structures.js';
import type { Ends } from './underlay.js';

/** Hardware addresses by which one node is known on one device. Several of its own may answer for its address, each when it likes. */
const maxSenders = 8;
/** A way that is new is told of so often and so many times: a device that has just come may not carry the first. */
const repeatAfterMs = 20;
const repetitions = 6;
/** And later so often, for nodes that missed it or have forgotten. */
const remindAfterMs = 5_000;

interface LinkPeer {
  readonly ends: Ends;
  readonly uplink: number;
}

export class LinkPeers {
  readonly #socket: RouteSocket;
  readonly #maps: () => TunnelMaps | undefined;
  readonly #announcer: Announcer;
  readonly #peers = new Map<string, LinkPeer>();
  /** By underlay address of the other node; the latest last. */
  readonly #senders = new Map<string, Sender[]>();
  /** How often new ways are still to be told of. */
  readonly #fresh = new Map<string, number>();
  #repeating: NodeJS.Timeout | undefined;
  #reminding: NodeJS.Timeout | undefined;

  /** @param maps what decides from where frames may come. */
  constructor(socket: RouteSocket, maps: () => TunnelMaps | undefined) {
    this.#socket = socket;
    this.#maps = maps;
    this.#announcer = new Announcer(socket);
  }

  /**
   * The way to another node leads by this device now: the node is told, and its frames are taken from there and from each link on
   * which it is a neighbour.
   */
  follow(ends: Ends, uplink: number): void {
    const key = keyOf(ends);
    const before = this.#peers.get(key);
    if (before?.uplink === uplink) return;
    this.#peers.set(key, { ends, uplink });
    const senders = this.#senders.get(ends.remote) ?? this.#begin(ends.remote);
    // The other node's hardware address on the new link is not known yet.
    if (!senders.some(({ device }) => device === uplink))
      for (const sender of senders.filter(({ device }) => device === before?.uplink))
        this.#allow({ ...sender, device: uplink });
    this.#announcer.announce(ends, uplink, true);
    this.#fresh.set(key, repetitions);
    this.#repeating ??= setInterval(() => this.#repeat(), repeatAfterMs).unref();
    this.#reminding ??= setInterval(() => this.#remind(), remindAfterMs).unref();
  }

  /** The kernel has learnt a neighbour's hardware address. @returns whether the neighbour is one of the followed nodes. */
  note({ address = '', device, mac }: Neighbour): boolean {
    if (!this.#senders.has(address)) return false;
    if (mac !== undefined) this.#allow({ remote: address, device, mac });
    return true;
  }

  deviceGone(device: number): void {
    const senders = [...this.#senders.values()].flat();
    for (const sender of senders) if (sender.device === device) this.#forbid(sender);
  }

  /** Allowed senders stay until no tunnel to that node is left: another forwarder on this node may have tunnels to it. */
  forget(ends: Ends): void {
    this.#peers.delete(keyOf(ends));
    this.#fresh.delete(keyOf(ends));
    const { remote } = ends;
    if ([...this.#peers.values()].some((peer) => peer.ends.remote === remote)) return;
    this.#senders.delete(remote);
  }

  /** What is allowed stays. */
  stop(): void {
    clearInterval(this.#repeating);
    clearInterval(this.#reminding);
    this.#repeating = undefined;
    this.#reminding = undefined;
    this.#fresh.clear();
    this.#peers.clear();
    this.#senders.clear();
    this.#announcer.stop();
  }

  /** With what an earlier process knew, or one beside this one knows. */
  #begin(remote: string): readonly Sender[] {
    const senders = this.#maps()?.senders(remote) ?? [];
    this.#senders.set(remote, senders);
    const family = remote.includes(':') ? 'ipv6' : 'ipv4';
    for (const neighbour of this.#socket.neighbours({ family }))
      if (neighbour.address === remote) this.note(neighbour);
    return senders;
  }

  #allow(sender: Sender): void {
    const senders = this.#senders.get(sender.remote) ?? [];
    const at = senders.findIndex(({ device, mac }) => device === sender.device && mac === sender.mac);
    if (at >= 0) senders.splice(at, 1);
    senders.push(sender);
    // What is said on one device pushes nothing out on another.
    const [oldest, ...others] = senders.filter(({ device }) => device === sender.device);
    if (oldest && others.length >= maxSenders) this.#forbid(oldest);
    if (at < 0) attempt(() => this.#maps()?.allow(sender));
  }

  #forbid(sender: Sender): void {
    const senders = this.#senders.get(sender.remote);
    senders?.splice(senders.indexOf(sender), 1);
    this.#maps()?.forbid(sender);
  }

  #repeat(): void {
    for (const [key, left] of this.#fresh) {
      const peer = this.#peers.get(key);
      if (peer) this.#announcer.announce(peer.ends, peer.uplink, true);
      if (left > 1) this.#fresh.set(key, left - 1);
      else this.#fresh.delete(key);
    }
    if (this.#fresh.size > 0) return;
    clearInterval(this.#repeating);
    this.#repeating = undefined;
  }

  #remind(): void {
    for (const { ends, uplink } of this.#peers.values()) this.#announcer.announce(ends, uplink, false);
  }
}

function keyOf({ local, remote }: Ends): string {
  return `${local} ${remote}`;
}

/** When there is no room left for more, the others stay. */
function attempt(allow: () => void): void {
  try {
    allow();
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
  }
}
