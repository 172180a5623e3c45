// Between two pods of one node nothing of the mesh stands in the way of packets. So from where a pod may send is checked where its
// packets arrive, at the other pod's device: a pod can take away the check of what it receives, and not of what it sends.
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import type { Device, OpenPorts, Side } from '../wiring.js';
import { type Sources, sourcesOf } from './source-maps.js';
import { SourceProgram } from './source-program.js';

/** Filters bear this handle, "src". */
const handle = 0x737263;
/** After the programs of tunnels, which stand on devices of the node's own namespace. */
const priority = 11;
/** Filters tell their number by their class, of which a program sees 16 bits. */
const mostNumbers = 2 ** 16 - 1;

interface Standing {
  readonly program: SourceProgram;
  readonly number: number;
}

export class SourceFilters {
  /** Numbers are given out of the last. */
  readonly #programs: SourceProgram[] = [];
  readonly #free: Standing[] = [];
  #next = 1;
  readonly #standing = new Map<string, Standing>();

  /** Has what arrives at the devices of a connection on one node checked, as far as the other side's port says. @throws NetlinkError */
  guard(id: string, devices: readonly Device[], ports: OpenPorts): void {
    for (const { side, index } of devices) {
      const [receiver, sender] = [ports[side], ports[otherThan(side)]];
      if (receiver && sender) this.#guard(keyOf(id, side), receiver.socket, index, sourcesOf(sender.port));
    }
  }

  /** Forgets a connection whose devices are gone. */
  release(id: string): void {
    for (const side of ['client', 'endpoint'] as const) this.#release(keyOf(id, side));
  }

  /** Packets of a side that did not get to the other side's device. */
  refused(id: string, sender: Side): bigint {
    const standing = this.#standing.get(keyOf(id, otherThan(sender)));
    return standing?.program.refused(standing.number) ?? 0n;
  }

  /** What stands works on. */
  stop(): void {
    for (const program of this.#programs) program.close();
  }

  /** @param sources undefined: what arrives is not checked any more. */
  #guard(key: string, socket: RouteSocket, device: number, sources: Sources | undefined): void {
    const place = { device, parent: 'ingress', handle, priority } as const;
    if (!sources) {
      if (isThere(socket, device)) socket.deleteFilter({ ...place, kind: 'bpf' });
      this.#release(key);
      return;
    }
    const standing = this.#standing.get(key) ?? this.#take();
    const { program, number } = standing;
    this.#standing.set(key, standing);
    program.write(number, sources);
    if (isThere(socket, device, { id: program.id, class: number })) return;
    addQdisc(socket, device);
    const filter = { kind: 'bpf', programFd: program.filter, name: 'mesh_source', class: number } as const;
    socket.addFilter({ ...place, ...filter }, { replace: true });
  }

  #release(key: string): void {
    const standing = this.#standing.get(key);
    if (!standing) return;
    this.#standing.delete(key);
    standing.program.delete(standing.number);
    this.#free.push(standing);
  }

  #take(): Standing {
    const free = this.#free.pop();
    if (free) return free;
    let program = this.#programs.at(-1);
    if (!program || this.#next > mostNumbers) {
      program = SourceProgram.load();
      this.#programs.push(program);
      this.#next = 1;
    }
    return { program, number: this.#next++ };
  }
}

function otherThan(side: Side): Side {
  return side === 'client' ? 'endpoint' : 'client';
}

/** @param side the receiving one. */
function keyOf(id: string, side: Side): string {
  return `${id} ${side}`;
}

/** @param wanted undefined: whichever it is. */
function isThere(
  socket: RouteSocket,
  device: number,
  wanted?: { readonly id: number; readonly class: number },
): boolean {
  try {
    return socket
      .filters({ device, parent: 'ingress' })
      .some(
        ({ handle: own, bpf }) =>
          own === handle && (!wanted || (bpf?.id === wanted.id && bpf.class === wanted.class)),
      );
  } catch (error) {
    // Without a qdisc.
    if (error instanceof NetlinkError) return false;
    throw error;
  }
}

/** The qdisc, which does nothing by itself, may be in use by others. */
function addQdisc(socket: RouteSocket, device: number): void {
  try {
    socket.addQdisc({ kind: 'clsact', device });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EEXIST')) throw error;
  }
}
