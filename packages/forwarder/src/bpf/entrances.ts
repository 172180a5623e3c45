// The devices by which packets of tunnels come to the node: all that there are, as Linux takes packets to an address of its own
// by whatever link they come. So the sender is checked on each, too.
import { type Link, NetlinkError, type RouteSocket } from '@nsm/netlink';
import { isNodeEnd } from './node-end.js';
import type { Program, TunnelPrograms } from './tunnel-programs.js';

/** ARPHRD_ types (linux/if_arp.h) of devices whose frames begin with an Ethernet header. */
const withEthernet: ReadonlySet<number> = new Set([1, 772]);
/** Index of the loopback device in every network namespace: LOOPBACK in bpf/kernel.h. */
const loopback = 1;

export class Entrances {
  readonly #socket: RouteSocket;
  readonly #programs: TunnelPrograms;
  readonly #open = new Set<number>();

  constructor(socket: RouteSocket, programs: TunnelPrograms) {
    this.#socket = socket;
    this.#programs = programs;
  }

  /** Before the first tunnel; does nothing when they are open. @throws NetlinkError */
  open(): void {
    if (this.#open.size > 0) return;
    // Frames that have to be cut come in by it.
    this.#socket.setLink(loopback, { up: true });
    this.#add(loopback, 'nsm_unwrap');
    for (const link of this.#socket.links()) if (!isNodeEnd(link.name)) this.note(link, false);
  }

  /** A device other than a node's end has come, changed or gone. Nothing is done until they are opened. */
  note({ index, hardwareType }: Link, gone: boolean): void {
    if (gone) this.#open.delete(index);
    else if (this.#open.size > 0 && !this.#open.has(index)) {
      try {
        this.#add(index, withEthernet.has(hardwareType) ? 'nsm_unwrap' : 'nsm_unwrap_ip');
      } catch (error) {
        // It has gone already, which is an event, too.
        if (!(error instanceof NetlinkError)) throw error;
      }
    }
  }

  #add(device: number, program: Program): void {
    this.#programs.attach(device, program);
    this.#open.add(device);
  }

  /** After the last tunnel. */
  close(): void {
    this.#open.clear();
    this.#programs.detachAll();
  }
}
