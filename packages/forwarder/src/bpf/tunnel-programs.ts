// The eBPF programs of one node: loaded once, found again after a restart, attached by traffic control.
import { fileURLToPath } from 'node:url';
import {
  type BpfMap,
  BpfObject,
  describeProgram,
  mapsOfProgram,
  NetlinkError,
  type RouteSocket,
} from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';
import { mapNames, TunnelMaps } from './tunnel-maps.js';

const object = fileURLToPath(new URL('../../bpf/tunnel.bpf.o', import.meta.url));

/** Filters of ours bear this handle, "nsm", so that they can share a priority with others'. */
const handle = 0x6e736d;
/** Early, to see tunnel packets before policies made for pods; not first, to leave room for a firewall. */
const priority = 10;

export type Program = 'nsm_wrap' | 'nsm_unwrap' | 'nsm_unwrap_ip' | 'nsm_leave';
type Hook = 'ingress' | 'egress';
const hooks: Readonly<Record<Program, Hook>> = {
  nsm_wrap: 'ingress',
  nsm_unwrap: 'ingress',
  nsm_unwrap_ip: 'ingress',
  nsm_leave: 'egress',
};

export class TunnelPrograms {
  readonly maps: TunnelMaps;
  readonly #socket: RouteSocket;
  #object: BpfObject;
  readonly #ids = new Map<Program, number>();
  /** Uplinks, and which filters of ours are on them. */
  readonly #uplinks = new Map<number, Set<Program>>();

  /**
   * Loads the programs. When filters of this node hold some from before, by an earlier process or another beside this
   * one, the new ones take over their maps: every tunnel goes on, and no packet is lost when filters are exchanged.
   * @throws NetlinkError, or Error when libbpf is not installed.
   */
  constructor(socket: RouteSocket) {
    this.#socket = socket;
    const attached = this.#findFilters();
    this.#object = load(attached);
    this.maps = new TunnelMaps((name) => this.#object.map(name));
    this.#attachTo(attached);
  }

  /** Descriptor of a program, for trying it out. */
  descriptor(program: Program): number {
    return this.#object.program(program);
  }

  /** Attaches a program to a device, in place of an earlier one of ours. Does nothing when it is there. */
  attach(device: number, program: Program): void {
    const parent = hooks[program];
    if (this.#uplinks.size === 0) this.#join();
    if (program !== 'nsm_wrap')
      this.#uplinks.set(device, (this.#uplinks.get(device) ?? new Set()).add(program));
    if (this.#attached(device, parent)?.bpf?.id === this.#id(program)) return;
    this.#addHooks(device);
    this.#socket.addFilter(
      {
        kind: 'bpf',
        device,
        parent,
        priority,
        handle,
        programFd: this.#object.program(program),
        name: program,
      },
      { replace: true },
    );
  }

  /** Brings back filters that someone took off a device. Those of another process beside this one do as well. */
  mend(device: number): void {
    for (const program of this.#uplinks.get(device) ?? []) {
      if (this.#attached(device, hooks[program])) continue;
      try {
        this.attach(device, program);
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error;
        // The device has gone.
        this.#uplinks.delete(device);
      }
    }
  }

  /** Devices with programs of ours, but for node's ends. */
  get uplinks(): readonly number[] {
    return [...this.#uplinks.keys()];
  }

  /** Takes the programs off all uplinks. The clsact qdisc, which does nothing by itself, may be in use by others. */
  detachUplinks(): void {
    for (const device of this.#uplinks.keys())
      for (const parent of ['ingress', 'egress'] as const) {
        if (!this.#attached(device, parent)) continue;
        this.#socket.deleteFilter({ device, parent, priority, handle, kind: 'bpf' });
      }
    this.#uplinks.clear();
  }

  /** Filters that are attached stay, and work on. */
  close(): void {
    this.#object.close();
  }

  /** Before the first tunnel: another forwarder may have made tunnels since this one began, and both need the same maps. */
  #join(): void {
    const attached = this.#findFilters().filter(({ program, id }) => id !== this.#id(program));
    if (attached.length === 0) return;
    const before = this.#object;
    this.#object = load(attached);
    this.#ids.clear();
    this.maps.use((name) => this.#object.map(name));
    before.close();
    this.#attachTo(attached);
  }

  #attachTo(found: readonly Found[]): void {
    for (const { device, program } of found) {
      if (program === 'nsm_wrap') continue;
      this.#uplinks.set(device, (this.#uplinks.get(device) ?? new Set()).add(program));
      this.attach(device, program);
    }
  }

  #id(program: Program): number {
    const known = this.#ids.get(program);
    if (known !== undefined) return known;
    const { id } = describeProgram(this.#object.program(program));
    this.#ids.set(program, id);
    return id;
  }

  #attached(device: number, parent: Hook) {
    try {
      return this.#socket
        .filters({ device, parent })
        .find((filter) => filter.kind === 'bpf' && filter.handle === handle && filter.priority === priority);
    } catch (error) {
      // No clsact, or no such device.
      if (error instanceof NetlinkError) return undefined;
      throw error;
    }
  }

  #addHooks(device: number): void {
    try {
      this.#socket.addQdisc({ kind: 'clsact', device });
    } catch (error) {
      if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
    }
  }

  /** All filters of ours, of any process. One node's end is enough: they all have the same program. */
  #findFilters(): Found[] {
    const nodeEnds = new Set(
      this.#socket
        .links({ kind: 'veth' })
        .filter(({ name }) => isNodeEnd(name))
        .map(({ index }) => index),
    );
    const found: Found[] = [];
    let seenNodeEnd = false;
    for (const { device, kind } of this.#socket.qdiscs()) {
      if ((kind !== 'clsact' && kind !== 'ingress') || (seenNodeEnd && nodeEnds.has(device))) continue;
      for (const parent of ['ingress', 'egress'] as const) {
        const { name = '', id } = this.#attached(device, parent)?.bpf ?? {};
        if (id === undefined || !(name in hooks)) continue;
        found.push({ device, program: name as Program, id });
        seenNodeEnd ||= nodeEnds.has(device);
      }
    }
    return found;
  }
}

/** A filter of ours, of whatever process. */
interface Found {
  readonly device: number;
  readonly program: Program;
  readonly id: number;
}

/** New programs over the maps of those that are attached. */
function load(attached: readonly Found[]): BpfObject {
  const former = mapsOf(attached.map(({ id }) => id));
  try {
    return BpfObject.load(object, former);
  } finally {
    for (const map of former.values()) map.close();
  }
}

/** The maps of programs that are attached already, when all are there. */
function mapsOf(programs: readonly number[]): Map<string, BpfMap> {
  const maps = new Map<string, BpfMap>();
  for (const id of new Set(programs)) {
    for (const [name, map] of mapsOfProgram(id)) {
      if (maps.has(name)) map.close();
      else maps.set(name, map);
    }
    if (mapNames.every((name) => maps.has(name))) return maps;
  }
  return maps;
}
