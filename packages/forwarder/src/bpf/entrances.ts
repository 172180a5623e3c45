// The devices by which packets of tunnels come to the node and leave it: all that take IP, as Linux takes packets to an address of
// its own by whatever link they come. So the sender is checked on each, too, and who sends into a tunnel.
import { readFileSync } from 'node:fs';
import { type Link, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';
import type { Program, TunnelPrograms } from './tunnel-programs.js';

/** ARPHRD_ types (linux/if_arp.h) of devices whose frames begin with an Ethernet header. */
const withEthernet: ReadonlySet<number> = new Set([1, 772]);
/** Index of the loopback device in every network namespace: LOOPBACK in bpf/kernel.h. */
const loopback = 1;
/** Devices that are opened at a time, about 0.1 ms each: a node may have thousands. */
const atOnce = 32;

export class Entrances {
  readonly #socket: RouteSocket;
  readonly #programs: TunnelPrograms;
  readonly #open = new Set<number>();
  /** Those that are still to be opened. */
  #waiting: Link[] = [];
  #next: NodeJS.Immediate | undefined;

  constructor(socket: RouteSocket, programs: TunnelPrograms) {
    this.#socket = socket;
    this.#programs = programs;
  }

  /** Before a tunnel is made whose packets leave by `uplink`; the first opens all others, too, soon. @throws NetlinkError */
  open(uplink: number): void {
    const first = this.#open.size === 0;
    if (first) {
      // Frames that have to be cut come in by it.
      this.#socket.setLink(loopback, { up: true });
      this.#add(loopback, 'nsm_unwrap', 'nsm_leave');
    }
    const link = this.#open.has(uplink) ? undefined : this.#socket.link(uplink);
    if (link) this.note(link, false);
    if (!first) return;
    this.#waiting = this.#socket.links().filter(({ name }) => !isNodeEnd(name));
    this.#next ??= setImmediate(() => this.#openNext());
  }

  /** A device other than a node's end has come, changed or gone. Nothing is done until the first is opened. */
  note(link: Link, gone: boolean): void {
    const { index, name, hardwareType } = link;
    if (this.#open.size === 0) return;
    try {
      if (gone) this.#open.delete(index);
      else if (this.#isPort(link)) this.#close(index);
      else if (!this.#open.has(index)) {
        if (withEthernet.has(hardwareType)) this.#add(index, 'nsm_unwrap', 'nsm_leave');
        else this.#add(index, 'nsm_unwrap_ip');
        this.#programs.maps.setStrict(index, isStrict(name));
      }
    } catch (error) {
      // The device has gone already, which is an event, too.
      if (!(error instanceof NetlinkError)) throw error;
    }
  }

  /** Reverse path filtering of a device, or of all where none is named, may have been set. */
  noteSetting(device?: number): void {
    for (const index of device === undefined ? this.#open : [device]) {
      const link = this.#open.has(index) ? this.#socket.link(index) : undefined;
      if (link) this.#programs.maps.setStrict(index, isStrict(link.name));
    }
  }

  /** After the last tunnel. */
  close(): void {
    this.stop();
    for (const device of this.#open) this.#programs.maps.setStrict(device, false);
    this.#open.clear();
    this.#programs.detachAll();
  }

  /** What is open stays. */
  stop(): void {
    clearImmediate(this.#next);
    this.#next = undefined;
    this.#waiting = [];
  }

  #openNext(): void {
    for (const link of this.#waiting.splice(0, atOnce)) this.note(link, false);
    this.#next = this.#waiting.length > 0 ? setImmediate(() => this.#openNext()) : undefined;
  }

  #add(device: number, ...programs: readonly Program[]): void {
    for (const program of programs) this.#programs.attach(device, program);
    this.#open.add(device);
  }

  #close(device: number): void {
    if (!this.#open.delete(device)) return;
    this.#programs.maps.setStrict(device, false);
    this.#programs.detach(device);
  }

  /** Of a bridge, a bond or a switch, which gets its packets; those of a VRF take IP themselves. */
  #isPort({ master }: Link): boolean {
    return master !== undefined && this.#socket.link(master)?.kind !== 'vrf';
  }
}

/** Strict reverse path filtering: the stricter of a device's setting and that of all (Documentation/networking/ip-sysctl.rst). */
function isStrict(name: string): boolean {
  const [all = 0, own = 0] = ['all', name].map((one) => {
    try {
      return Number(readFileSync(`/proc/sys/net/ipv4/conf/${one}/rp_filter`, 'utf8'));
    } catch {
      return 0;
    }
  });
  return Math.max(all, own) === 1;
}
