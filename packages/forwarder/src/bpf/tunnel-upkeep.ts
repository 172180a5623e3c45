// Keeps the eBPF tunnels of one node as they are wanted: follows the kernel's routes, brings back what others take away, and forgets
// tunnels whose devices have gone.
import { type Link, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { Entrances } from './entrances.js';
import { GuardedTunnels } from './guarded-tunnels.js';
import { nextInRound } from './round-robin.js';
import type { Sources } from './source-maps.js';
import type { TunnelKind } from './tunnel-kind.js';
import { ofTheKernel } from './tunnel-maps.js';
import { TunnelPrograms } from './tunnel-programs.js';
import type { TunnelEntry } from './tunnel-structures.js';
import type { Ends, Way } from './underlay.js';
import { Ways, wayKey } from './ways.js';

/** Looking through all tunnels takes a few milliseconds when there are thousands. */
const tidyAfterMs = 50;

/** No event tells when a map entry or a program is taken away: a few tunnels are checked so often, a few microseconds each. */
const lookAgainMs = 250;

export class TunnelUpkeep {
  readonly programs: TunnelPrograms;
  readonly guarded: GuardedTunnels;
  readonly ways: Ways;
  readonly #socket: RouteSocket;
  readonly #entrances: Entrances;
  /** By node's end. */
  readonly #wanted = new Map<number, TunnelEntry>();
  #tidying: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #looking: NodeJS.Timeout;

  /**
   * Loads the programs and forgets what a former process has left.
   * @param owner tells this forwarder from others in the same network namespace; the same after a restart.
   * @throws NetlinkError, or Error when libbpf is not installed.
   */
  constructor(socket: RouteSocket, owner: string) {
    this.#socket = socket;
    this.programs = new TunnelPrograms(socket);
    this.#entrances = new Entrances(socket, this.programs);
    this.guarded = new GuardedTunnels(this.programs.maps, owner);
    this.ways = new Ways(
      socket,
      (moved) => this.#follow(moved),
      {
        device: (link: Link, gone: boolean) => this.#entrances.note(link, gone),
        setting: (device?: number) => this.#entrances.noteSetting(device),
        filters: (device?: number) => this.#mendPrograms(device),
      },
      () => this.programs.maps,
    );
    this.#sweep();
    this.#looking = setInterval(() => this.#lookAfter(), lookAgainMs).unref();
  }

  /** Attaches the programs and writes the entry that a way needs before a tunnel goes by it. */
  prepare({ uplink, shared }: Way, entry: TunnelEntry): void {
    this.#entrances.open(uplink);
    this.programs.attach(uplink, 'nsm_leave');
    this.programs.maps.serve(entry, shared, false);
  }

  /** Asks the kernel to resolve a neighbour, of which it then tells. */
  resolve(address: string, device: number): void {
    this.#socket.addNeighbour({ address, device, state: 'none', flags: ['use'] }, { replace: true });
  }

  /** The way of guarded tunnels is prepared for the first of them. */
  guardedWay(kind: TunnelKind, ends: Ends): Way {
    const known = this.ways.known(kind, ends);
    if (known) return known;
    const way = this.ways.ask(kind, ends);
    this.#entrances.open(way.uplink);
    return way;
  }

  forget(nodeEnd: number): void {
    this.#wanted.delete(nodeEnd);
    this.programs.maps.delete(nodeEnd);
  }

  /** Makes the tunnel of a node's end what `entry` says, and keeps it so. */
  write(nodeEnd: number, entry: TunnelEntry, sources: Sources | undefined): void {
    const { maps } = this.programs;
    this.#wanted.set(nodeEnd, entry);
    if (sources) maps.sources.write(nodeEnd, sources);
    maps.write(nodeEnd, entry);
    if (!sources) maps.sources.delete(nodeEnd);
  }

  /** Forgets tunnels whose devices have gone, once for all that go together. */
  tidySoon(): void {
    // Tunnels that were being removed at the stop are found by the next forwarder.
    if (!this.#stopped) this.#tidying ??= setTimeout(() => this.#tidy(), tidyAfterMs);
  }

  /** Tunnels work on. */
  stop(): void {
    if (this.#tidying) this.#tidy();
    this.#stopped = true;
    clearInterval(this.#looking);
    this.#entrances.stop();
    this.ways.stop();
    this.programs.close();
  }

  /** Has tunnels go the way that the kernel's routes lead now. */
  #follow(moved: ReadonlyMap<string, Way>): void {
    const unused = new Set(moved.keys());
    const { maps } = this.programs;
    for (const nodeEnd of maps.nodeEnds()) {
      const entry = maps.entry(nodeEnd);
      const way = entry && moved.get(wayKey(entry));
      if (!entry || !way) continue;
      unused.delete(wayKey(entry));
      const { uplink, senderKnown } = way;
      try {
        if (entry.needsLink && uplink !== entry.uplink) this.resolve(entry.remote, uplink);
        this.prepare(way, entry);
        const moving = { ...entry, uplink, senderKnown };
        maps.write(nodeEnd, moving);
        if (this.#wanted.has(nodeEnd)) this.#wanted.set(nodeEnd, moving);
      } catch (error) {
        // The device has gone already; its end is an event too.
        if (!(error instanceof NetlinkError)) throw error;
      }
    }
    for (const entry of this.guarded.entries) {
      const way = moved.get(wayKey(entry));
      if (!way) continue;
      unused.delete(wayKey(entry));
      maps.serve(entry, way.shared, true);
    }
    for (const key of unused) this.ways.forget(key);
  }

  /** Brings back what someone took from the next few tunnels and devices. */
  #lookAfter(): void {
    const { maps } = this.programs;
    const next = nextInRound(this.#wanted);
    for (const [nodeEnd, entry] of next) {
      if (maps.entry(nodeEnd)) continue;
      // Of a node's end that somebody deleted, the tunnel's map entries belong to another node's end by now.
      if (this.#socket.link(nodeEnd)) maps.write(nodeEnd, entry);
      else this.forget(nodeEnd);
    }
    this.programs.lookAfter();
    this.guarded.mend();
  }

  /** Brings back programs that someone took off a device, or off any. */
  #mendPrograms(device?: number): void {
    const { programs } = this;
    for (const one of device === undefined ? [...programs.devices, ...this.#wanted.keys()] : [device])
      if (this.#wanted.has(one)) programs.mendNodeEnd(one);
      else programs.mend(one);
  }

  /** Forgets what belongs to devices that no longer exist. */
  #sweep(): void {
    const { maps } = this.programs;
    maps.sweep(() => {
      const links = new Set(this.#socket.links().map(({ index }) => index));
      for (const nodeEnd of this.#wanted.keys()) if (!links.has(nodeEnd)) this.forget(nodeEnd);
      return (number) => (number < ofTheKernel ? links.has(number) : this.guarded.isLiving(number));
    });
  }

  #tidy(): void {
    clearTimeout(this.#tidying);
    this.#tidying = undefined;
    this.#sweep();
    const used = [...this.#wanted.values(), ...this.guarded.entries];
    this.ways.keep(new Set(used.map(wayKey)));
    if (this.guarded.size || !this.programs.maps.isEmpty) return;
    this.#entrances.close();
    this.ways.stop();
  }
}
