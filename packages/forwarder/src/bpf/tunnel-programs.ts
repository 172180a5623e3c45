// The eBPF programs of one node: loaded once, found again after a restart, put on the devices that they are for.
import { fileURLToPath } from 'node:url';
import {
  type BpfMap,
  BpfObject,
  describeProgram,
  mapsOfProgram,
  NetlinkError,
  type RouteSocket,
} from '@nsm/netlink';
import { DeviceHooks } from './device-hooks.js';
import { hookOf, type LoadedProgram, type Standing } from './hooks.js';
import { isNodeEnd } from './node-end.js';
import { nextInRound } from './round-robin.js';
import { mapNames, TunnelMaps } from './tunnel-maps.js';

const object = fileURLToPath(new URL('../../bpf/tunnel.bpf.o', import.meta.url));

const names = ['nsm_wrap', 'nsm_unwrap', 'nsm_unwrap_ip', 'nsm_leave'] as const;
export type Program = (typeof names)[number];

export class TunnelPrograms {
  readonly maps: TunnelMaps;
  readonly #socket: RouteSocket;
  readonly #hooks: DeviceHooks;
  #object: BpfObject;
  readonly #loaded = new Map<Program, LoadedProgram>();
  /** Devices of the node with programs of ours, and which. */
  readonly #devices = new Map<number, Set<Program>>();

  /**
   * Loads the programs. Where devices of this node have some from before, by an earlier process or another beside this
   * one, the new ones take over their maps: every tunnel goes on, and no packet is lost when programs are exchanged.
   * @throws NetlinkError, or Error when libbpf is not installed.
   */
  constructor(socket: RouteSocket) {
    this.#socket = socket;
    this.#hooks = new DeviceHooks(socket);
    const standing = this.#hooks.find(this.#devicesToSearch());
    this.#object = load(standing);
    this.maps = new TunnelMaps((name) => this.#object.map(name));
    this.#replace(standing);
  }

  /** Descriptor of a program, for trying it out. */
  descriptor(program: Program): number {
    return this.#object.program(program);
  }

  /** Puts a program on a device, in place of an earlier program of ours. Does nothing when the program is there and comes first. */
  attach(device: number, program: Program): void {
    if (this.#devices.size === 0) this.#join();
    if (isUplinkProgram(program))
      this.#devices.set(device, (this.#devices.get(device) ?? new Set()).add(program));
    this.#hooks.attach(device, hookOf(program), this.#load(program));
  }

  /** Puts its program on a node's end that this forwarder has just made. */
  attachToNew(nodeEnd: number): void {
    if (this.#devices.size === 0) this.#join();
    this.#hooks.attachToNew(nodeEnd, hookOf('nsm_wrap'), this.#load('nsm_wrap'));
  }

  /** Devices with programs of ours, but for node's ends. */
  get devices(): readonly number[] {
    return [...this.#devices.keys()];
  }

  /** Brings back programs that were taken off a device; the same program of another process on this node does as well. */
  mend(device: number): void {
    for (const program of this.#devices.get(device) ?? []) {
      const hook = hookOf(program);
      if (this.#hooks.ours(device, hook) && this.#hooks.before(device, hook).length === 0) continue;
      if (!attempt(() => this.attach(device, program))) this.#devices.delete(device);
    }
  }

  /** Looks at the next few devices for what the kernel does not tell of, and brings back what was taken off. */
  lookAfter(): void {
    for (const [device, set] of nextInRound(this.#devices))
      if ([...set].some((program) => this.#hooks.changedUnheard(device, hookOf(program)))) this.mend(device);
  }

  /** As `mend`, of a node's end. */
  mendNodeEnd(nodeEnd: number): void {
    if (!this.#hooks.ours(nodeEnd, hookOf('nsm_wrap'))) attempt(() => this.attach(nodeEnd, 'nsm_wrap'));
  }

  /** What others have put before our programs and may end a packet's way there, for people: one line each. */
  obstacles(): string[] {
    return [...this.#devices].flatMap(([device, set]) =>
      [...set].flatMap((program) => {
        const hook = hookOf(program);
        const name = this.#socket.link(device)?.name ?? `#${device}`;
        return this.#hooks.before(device, hook).map((what) => `${what} on ${hook} of ${name}`);
      }),
    );
  }

  /** Takes what is ours off a device, which is none of the node's ends. */
  detach(device: number): void {
    for (const program of this.#devices.get(device) ?? []) this.#hooks.detach(device, hookOf(program));
    this.#devices.delete(device);
  }

  /** Takes the programs off all devices but node's ends. */
  detachAll(): void {
    for (const device of this.#devices.keys()) this.detach(device);
  }

  /** Programs that stand on devices stay, and work on. */
  close(): void {
    this.#object.close();
  }

  /** Before the first tunnel: another forwarder may have made tunnels since this one began, and both need the same maps. */
  #join(): void {
    const standing = this.#hooks
      .find(this.#devicesToSearch())
      .filter(({ id, name }) => !isProgram(name) || id !== this.#load(name).id);
    if (standing.length === 0) return;
    const before = this.#object;
    this.#object = load(standing);
    this.#loaded.clear();
    this.maps.use((name) => this.#object.map(name));
    before.close();
    this.#replace(standing);
  }

  #replace(standing: readonly Standing[]): void {
    const uplinks = standing.flatMap(({ device, name }) => (isUplinkProgram(name) ? [{ device, name }] : []));
    for (const { device, name } of uplinks)
      this.#devices.set(device, (this.#devices.get(device) ?? new Set()).add(name));
    for (const { device, name } of uplinks) this.attach(device, name);
  }

  #load(program: Program): LoadedProgram {
    const known = this.#loaded.get(program);
    if (known) return known;
    const fd = this.#object.program(program);
    const loaded = { name: program, fd, id: describeProgram(fd).id };
    this.#loaded.set(program, loaded);
    return loaded;
  }

  /** One node's end is enough: they all have the same program. */
  #devicesToSearch(): number[] {
    const links = this.#socket.links();
    const nodeEnd = links.find(({ name }) => isNodeEnd(name));
    return links.filter((link) => link === nodeEnd || !isNodeEnd(link.name)).map(({ index }) => index);
  }
}

/** @returns false when the device has gone, which is an event of its own. */
function attempt(attach: () => void): boolean {
  try {
    attach();
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    return false;
  }
}

/** Of every device but node's ends. */
function isUplinkProgram(name: string): name is Program {
  return name !== 'nsm_wrap' && isProgram(name);
}

function isProgram(name: string): name is Program {
  return (names as readonly string[]).includes(name);
}

/** New programs over the maps of those that stand somewhere. */
function load(standing: readonly Standing[]): BpfObject {
  const former = mapsOf(standing.map(({ id }) => id));
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
