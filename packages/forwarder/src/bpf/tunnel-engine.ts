// All eBPF tunnels of one node: one program for them all, each a pair of map entries and a veth pair.
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import {
  currentNamespace,
  type Link,
  NetlinkError,
  type NetworkNamespace,
  type RouteSocket,
} from '@nsm/netlink';
import { unlessGone } from '../port/device-groups.js';
import type { OpenPort } from '../port/open-port.js';
import type { Device } from '../port/wiring.js';
import { makePair, makeTap, nodeEndAlias, nodeEndName } from './node-end.js';
import { setOffloads } from './offloads.js';
import { sourcesOf } from './source-maps.js';
import { tryKind } from './try-kind.js';
import type { TunnelTraffic } from './tunnel-counters.js';
import type { TunnelKind } from './tunnel-kind.js';
import type { TunnelEntry } from './tunnel-structures.js';
import { TunnelUpkeep } from './tunnel-upkeep.js';

/** A device that takes everything of a tunnel with it. */
export interface Remains {
  readonly inode: number;
  readonly name: string;
  readonly alias: string;
}

export class TunnelEngine {
  readonly #socket: RouteSocket;
  readonly #home: NetworkNamespace;
  readonly #missing: string = '';
  readonly #upkeep: TunnelUpkeep | undefined;

  /** @param owner tells this forwarder from others in the same network namespace; the same after a restart. */
  constructor(socket: RouteSocket, owner: string) {
    this.#socket = socket;
    this.#home = currentNamespace();
    try {
      this.#upkeep = new TunnelUpkeep(socket, owner);
    } catch (error) {
      this.#missing = whyNotLoaded(error);
    }
  }

  /** Programs can be loaded here. */
  get isLoaded(): boolean {
    return this.#upkeep !== undefined;
  }

  /** What a kind needs and does not find here; '' when it works, for both underlays. */
  missing(kind: TunnelKind): string {
    return this.#upkeep ? tryKind(kind, this.#upkeep.programs) : this.#missing;
  }

  /**
   * Makes a tunnel exist as wanted, or finds and mends it.
   * @param remove deletes a device of this cross-connect in the pod.
   * @returns the pod's device, or the node's end where the pod has none.
   * @throws NsmError, NetlinkError; then no device and no map entry was added.
   */
  connect(
    kind: TunnelKind,
    { id, tunnel }: fw.CrossConnect,
    pod: OpenPort,
    remove: (device: Link) => void,
  ): Omit<Device, 'side'> {
    const upkeep = this.#ready();
    const { programs } = upkeep;
    if (!tunnel) throw new NsmError('invalid', 'a remote cross-connect needs a tunnel');
    if (kind.port !== undefined && tunnel.port !== 0 && tunnel.port !== kind.port)
      throw new NsmError('invalid', `this engine knows UDP port ${kind.port} only, not ${tunnel.port}`);
    const ends = { local: tunnel.local, remote: tunnel.remote };
    const way = upkeep.ways.ask(kind, ends);
    const sources = sourcesOf(pod.port);
    const withDevice = traitsOf(pod.port.type).hasDevice;
    const entry: TunnelEntry = {
      code: kind.code,
      ...ends,
      identifier: tunnel.identifier,
      port: kind.port ?? 0,
      uplink: way.uplink,
      mtu: pod.port.mtu,
      checked: sources !== undefined,
      needsLink: kind.needsLink ?? false,
      senderKnown: way.senderKnown,
      elsewhere: withDevice && pod.namespace.inode !== this.#home.inode,
    };
    const { end, peer } = this.#find(id, pod, remove);
    const owner = programs.maps.owner(entry);
    if (owner !== undefined && owner !== end?.index && this.#socket.link(owner))
      throw new NsmError(
        'dataplane',
        `identifier ${tunnel.identifier} from ${tunnel.remote} to ${tunnel.local} is in use on this node`,
      );
    if (kind.needsLink && !way.senderKnown) upkeep.resolve(ends.remote, way.uplink);
    upkeep.prepare(way, entry);
    if (end && peer) {
      upkeep.write(end.index, entry, sources);
      programs.attach(end.index, 'nsm_wrap');
      if (!end.up) this.#socket.setLink(end.index, { up: true });
      return { index: peer.index, name: peer.name, fresh: false };
    }
    const made = withDevice ? makePair(this.#home, id, pod) : makeTap(this.#socket, id);
    const index = made.linkIndex ?? 0;
    try {
      if (withDevice) setOffloads(made.index, pod, kind);
      // Before the node's end is up: no frame of the pod may enter the node.
      programs.attachToNew(index);
      upkeep.write(index, entry, sources);
      this.#socket.setLink(index, { up: true, alias: nodeEndAlias(id) });
      return { index: made.index, name: made.name, fresh: true, nodeEnd: index };
    } catch (error) {
      this.#delete(index);
      this.tidySoon();
      throw error;
    }
  }

  /**
   * Has a tunnel device of the kernel's own get only packets from the tunnel's other end, and none that is truncated or fragmented:
   * the device itself does not check that. Without eBPF, or Ethernet, packets are not checked.
   */
  guard(kind: TunnelKind, id: string, tunnel: fw.TunnelEnd): void {
    if (!this.#upkeep) return;
    const ends = { local: tunnel.local, remote: tunnel.remote };
    const { identifier } = tunnel;
    const others = {
      port: kind.port ?? 0,
      mtu: 0,
      checked: false,
      needsLink: false,
      senderKnown: false,
      elsewhere: true,
    };
    try {
      const { uplink, shared } = this.#upkeep.guardedWay(kind, ends);
      this.#upkeep.guarded.add(id, { code: kind.code, ...ends, identifier, uplink, ...others }, shared);
    } catch (error) {
      // The device carries packets all the same.
      if (!(error instanceof NetlinkError || error instanceof NsmError)) throw error;
    }
  }

  /** Counters of packets that were kept from a device of the kernel's own; undefined when the tunnel is not guarded. */
  refused(id: string): TunnelTraffic | undefined {
    return this.#upkeep?.guarded.refused(id);
  }

  /**
   * Forgets a tunnel: from now on it carries nothing.
   * @returns what to delete; undefined when there is no device of it on the node.
   */
  release(id: string): Remains | undefined {
    if (!this.#upkeep) return undefined;
    const wasGuarded = this.#upkeep.guarded.remove(id);
    const end = this.#socket.link(nodeEndName(id));
    if (end) this.#upkeep.forget(end.index);
    if (end || wasGuarded) this.tidySoon();
    return end ? { inode: this.#home.inode, name: end.name, alias: nodeEndAlias(id) } : undefined;
  }

  /** Forgets tunnels whose devices have gone, once for all that go together. */
  tidySoon(): void {
    this.#upkeep?.tidySoon();
  }

  /** What others have put before the programs and may keep packets from them, for people: one line each. */
  obstacles(): string[] {
    return this.#upkeep?.programs.obstacles() ?? [];
  }

  /** Counters, seen from the node: sent is what the pod sent. Undefined when there is no such tunnel. */
  traffic(id: string): TunnelTraffic | undefined {
    const end = this.#upkeep && this.#socket.link(nodeEndName(id));
    return end && this.#upkeep?.programs.maps.traffic(end.index);
  }

  /** Tunnels work on. */
  stop(): void {
    this.#upkeep?.stop();
    this.#home.close();
  }

  #ready(): TunnelUpkeep {
    if (this.#upkeep) return this.#upkeep;
    throw new NsmError('dataplane', this.#missing);
  }

  /** Both ends of a tunnel's veth pair; what is there without the other, or does not belong together, is deleted. */
  #find(id: string, pod: OpenPort, remove: (device: Link) => void): { end?: Link; peer?: Link } {
    const end = this.#socket.link(nodeEndName(id));
    if (end?.kind === 'tun' && !traitsOf(pod.port.type).hasDevice) return { end, peer: end };
    const peer = pod.find(id);
    if (end && peer && end.linkIndex === peer.index) return { end, peer };
    if (end) this.#delete(end.index);
    // The other tunnel's end, or another engine's device.
    if (peer && pod.socket.link(peer.index)) remove(peer);
    return {};
  }

  #delete(nodeEnd: number): void {
    this.#upkeep?.forget(nodeEnd);
    unlessGone(() => this.#socket.deleteLink(nodeEnd));
  }
}

function whyNotLoaded(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NetlinkError && (error.code === 'EPERM' || error.code === 'EACCES'))
    return `${message}; eBPF needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN outside any user namespace`;
  if (message.includes('libbpf.so')) return `${message}; install Debian package libbpf1`;
  return message;
}
