// All eBPF tunnels of one node: one program for them all, each a pair of map entries and a veth pair.
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import {
  currentNamespace,
  type Link,
  NetlinkError,
  type NetworkNamespace,
  type RouteSocket,
} from '@nsm/netlink';
import type { OpenPort } from '../open-port.js';
import { Entrances } from './entrances.js';
import { GuardedTunnels } from './guarded-tunnels.js';
import { nextOf } from './next-of.js';
import { makePair, makeTap, nodeEndAlias, nodeEndName } from './node-end.js';
import { setOffloads } from './offloads.js';
import { tryKind } from './try-kind.js';
import type { TunnelKind } from './tunnel-kind.js';
import { ofTheKernel, type TunnelTraffic } from './tunnel-maps.js';
import { TunnelPrograms } from './tunnel-programs.js';
import type { TunnelEntry } from './tunnel-structures.js';
import type { Ends, Way } from './underlay.js';
import { Ways, wayKey } from './ways.js';

/** A device that takes everything of a tunnel with it. */
export interface Remains {
  readonly inode: number;
  readonly name: string;
  readonly alias: string;
}

/** Looking through all tunnels takes a few milliseconds when there are thousands. */
const tidyAfterMs = 50;

/** Nobody tells when a map entry or a program is taken away: a few tunnels are looked at so often, a few microseconds each. */
const lookAgainMs = 250;

export class TunnelEngine {
  readonly #socket: RouteSocket;
  readonly #home: NetworkNamespace;
  readonly #programs: TunnelPrograms | undefined;
  readonly #entrances: Entrances | undefined;
  readonly #missing: string;
  readonly #ways: Ways;
  #tidying: NodeJS.Timeout | undefined;
  #stopped = false;
  /** By node's end. */
  readonly #wanted = new Map<number, TunnelEntry>();
  readonly #guarded: GuardedTunnels | undefined;
  readonly #looking = setInterval(() => this.#lookAfter(), lookAgainMs).unref();

  /** @param owner tells this forwarder from others in the same network namespace; the same after a restart. */
  constructor(socket: RouteSocket, owner: string) {
    this.#socket = socket;
    this.#home = currentNamespace();
    const listener = {
      device: (link: Link, gone: boolean) => this.#entrances?.note(link, gone),
      setting: (device?: number) => this.#entrances?.noteSetting(device),
      filters: (device?: number) => this.#mendPrograms(device),
    };
    this.#ways = new Ways(
      socket,
      (moved) => this.#follow(moved),
      listener,
      () => this.#programs?.maps,
    );
    try {
      this.#programs = new TunnelPrograms(socket);
      this.#entrances = new Entrances(socket, this.#programs);
      this.#guarded = new GuardedTunnels(this.#programs.maps, owner);
      this.#missing = '';
      this.#sweep();
    } catch (error) {
      this.#missing = whyNotLoaded(error);
    }
  }

  /** What a kind needs and does not find here; '' when it works, for both underlays. */
  missing(kind: TunnelKind): string {
    if (!this.#programs) return this.#missing;
    return tryKind(kind, this.#programs);
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
  ): { index: number; name: string; fresh: boolean } {
    const programs = this.#ready();
    if (!tunnel) throw new NsmError('invalid', 'a remote cross-connect needs a tunnel');
    if (kind.port !== undefined && tunnel.port !== 0 && tunnel.port !== kind.port)
      throw new NsmError('invalid', `this engine knows UDP port ${kind.port} only, not ${tunnel.port}`);
    const ends = { local: tunnel.local, remote: tunnel.remote };
    const way = this.#ways.ask(kind, ends);
    const withDevice = traitsOf(pod.port.type).hasDevice;
    const entry: TunnelEntry = {
      code: kind.code,
      ...ends,
      identifier: tunnel.identifier,
      port: kind.port ?? 0,
      uplink: way.uplink,
      mtu: pod.port.mtu,
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
    if (kind.needsLink && !way.senderKnown) this.#resolve(ends.remote, way.uplink);
    this.#prepare(way, entry);
    if (end && peer) {
      this.#wanted.set(end.index, entry);
      programs.maps.write(end.index, entry);
      programs.attach(end.index, 'nsm_wrap');
      if (!end.up) this.#socket.setLink(end.index, { up: true });
      return { index: peer.index, name: peer.name, fresh: false };
    }
    const made = withDevice ? makePair(this.#home, id, pod) : makeTap(this.#socket, id);
    const index = made.linkIndex ?? 0;
    try {
      if (withDevice) setOffloads(made.index, pod, kind);
      // Before it is up: nothing of the pod may enter the node.
      programs.attach(index, 'nsm_wrap');
      programs.maps.write(index, entry);
      this.#wanted.set(index, entry);
      this.#socket.setLink(index, { up: true, alias: nodeEndAlias(id) });
      return { index: made.index, name: made.name, fresh: true };
    } catch (error) {
      this.#delete(index);
      this.tidySoon();
      throw error;
    }
  }

  /**
   * Has the device of the kernel's own that a tunnel ends in get what comes from the tunnel's other end only, and nothing that is
   * truncated or fragmented: it does not look at that by itself. Where there is no eBPF, or no Ethernet, nobody does.
   */
  guard(kind: TunnelKind, id: string, tunnel: fw.TunnelEnd): void {
    if (!this.#guarded) return;
    const ends = { local: tunnel.local, remote: tunnel.remote };
    const { identifier } = tunnel;
    const others = { port: kind.port ?? 0, mtu: 0, needsLink: false, senderKnown: false, elsewhere: true };
    try {
      const { uplink, shared } = this.#guardedWay(kind, ends);
      this.#guarded.add(id, { code: kind.code, ...ends, identifier, uplink, ...others }, shared);
    } catch (error) {
      // It carries packets all the same.
      if (!(error instanceof NetlinkError || error instanceof NsmError)) throw error;
    }
  }

  /** Counters of what was not let through to a device of the kernel's own; undefined when nobody looks. */
  refused(id: string): TunnelTraffic | undefined {
    return this.#guarded?.refused(id);
  }

  /**
   * Forgets a tunnel: from now on it carries nothing.
   * @returns what to delete; undefined when there is no device of it on the node.
   */
  release(id: string): Remains | undefined {
    if (!this.#programs) return undefined;
    this.#guarded?.remove(id);
    const end = this.#socket.link(nodeEndName(id));
    if (end) this.#forget(end.index);
    this.tidySoon();
    return end ? { inode: this.#home.inode, name: end.name, alias: nodeEndAlias(id) } : undefined;
  }

  /** Forgets tunnels whose devices have gone, once for all that go together. */
  tidySoon(): void {
    // What was being removed when it stopped is found by the next.
    if (!this.#programs || this.#stopped) return;
    this.#tidying ??= setTimeout(() => this.#tidy(), tidyAfterMs);
  }

  /** What others have put before the programs and may keep packets from them, for people: one line each. */
  obstacles(): string[] {
    return this.#programs?.obstacles() ?? [];
  }

  /** Counters, seen from the node: sent is what the pod sent. Undefined when there is no such tunnel. */
  traffic(id: string): TunnelTraffic | undefined {
    const end = this.#programs && this.#socket.link(nodeEndName(id));
    return end && this.#programs?.maps.traffic(end.index);
  }

  /** Tunnels work on. */
  stop(): void {
    if (this.#tidying) this.#tidy();
    this.#stopped = true;
    clearInterval(this.#looking);
    this.#entrances?.stop();
    this.#ways.stop();
    this.#programs?.close();
    this.#home.close();
  }

  #ready(): TunnelPrograms {
    if (this.#programs) return this.#programs;
    throw new NsmError('dataplane', this.#missing);
  }

  /** The way of guarded tunnels is prepared for the first of them. */
  #guardedWay(kind: TunnelKind, ends: Ends): Way {
    const known = this.#ways.known(kind, ends);
    if (known) return known;
    const way = this.#ways.ask(kind, ends);
    this.#entrances?.open(way.uplink);
    return way;
  }

  /** The kernel tells when it has. */
  #resolve(address: string, device: number): void {
    this.#socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  }

  /** What has to be there before a tunnel goes that way. */
  #prepare({ uplink, shared }: Way, entry: TunnelEntry): void {
    const programs = this.#ready();
    this.#entrances?.open(uplink);
    programs.attach(uplink, 'nsm_leave');
    programs.maps.serve(entry, shared, false);
  }

  /** Has tunnels go the way that the kernel's routes lead now. */
  #follow(moved: ReadonlyMap<string, Way>): void {
    if (!this.#programs) return;
    const unused = new Set(moved.keys());
    const { maps } = this.#programs;
    for (const nodeEnd of maps.nodeEnds()) {
      const entry = maps.entry(nodeEnd);
      const way = entry && moved.get(wayKey(entry));
      if (!entry || !way) continue;
      unused.delete(wayKey(entry));
      const { uplink, senderKnown } = way;
      try {
        if (entry.needsLink && uplink !== entry.uplink) this.#resolve(entry.remote, uplink);
        this.#prepare(way, entry);
        const moving = { ...entry, uplink, senderKnown };
        maps.write(nodeEnd, moving);
        if (this.#wanted.has(nodeEnd)) this.#wanted.set(nodeEnd, moving);
      } catch (error) {
        // The device has gone already; its end is an event too.
        if (!(error instanceof NetlinkError)) throw error;
      }
    }
    for (const entry of this.#guarded?.entries ?? []) {
      const way = moved.get(wayKey(entry));
      if (!way) continue;
      unused.delete(wayKey(entry));
      maps.serve(entry, way.shared, true);
    }
    for (const key of unused) this.#ways.forget(key);
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

  /** Brings back what someone took from the next few tunnels and devices. */
  #lookAfter(): void {
    if (!this.#programs) return;
    const { maps } = this.#programs;
    const next = nextOf(this.#wanted);
    for (const [nodeEnd, entry] of next) if (!maps.entry(nodeEnd)) maps.write(nodeEnd, entry);
    this.#programs.lookAfter();
    this.#guarded?.mend();
  }

  /** Brings back programs that someone took off a device, or off any. */
  #mendPrograms(device?: number): void {
    const programs = this.#programs;
    if (!programs) return;
    for (const one of device === undefined ? [...programs.devices, ...this.#wanted.keys()] : [device])
      if (this.#wanted.has(one)) programs.mendNodeEnd(one);
      else programs.mend(one);
  }

  #forget(nodeEnd: number): void {
    this.#wanted.delete(nodeEnd);
    this.#programs?.maps.delete(nodeEnd);
  }

  #delete(nodeEnd: number): void {
    this.#forget(nodeEnd);
    this.#socket.deleteLink(nodeEnd);
  }

  /** Forgets what belongs to devices that no longer exist. */
  #sweep(): void {
    const maps = this.#programs?.maps;
    if (!maps) return;
    maps.sweep(() => {
      const links = new Set(this.#socket.links().map(({ index }) => index));
      for (const nodeEnd of this.#wanted.keys()) if (!links.has(nodeEnd)) this.#forget(nodeEnd);
      return (number) =>
        number < ofTheKernel ? links.has(number) : this.#guarded?.isLiving(number) === true;
    });
  }

  #tidy(): void {
    clearTimeout(this.#tidying);
    this.#tidying = undefined;
    this.#sweep();
    const used = [...this.#wanted.values(), ...(this.#guarded?.entries ?? [])];
    this.#ways.keep(new Set(used.map(wayKey)));
    if (this.#guarded?.size || !this.#programs?.maps.isEmpty) return;
    this.#entrances?.close();
    this.#ways.stop();
  }
}

function whyNotLoaded(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NetlinkError && (error.code === 'EPERM' || error.code === 'EACCES'))
    return `${message}; eBPF needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN outside any user namespace`;
  if (message.includes('libbpf.so')) return `${message}; install Debian package libbpf1`;
  return message;
}
