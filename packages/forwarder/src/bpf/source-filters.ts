// Between two pods of one node nothing of the mesh stands in the way of packets. So from where a pod may send is checked where its
// packets arrive, at the other pod's device: a pod can take away the check of what it receives, and not of what it sends.
import { NetlinkError, type RouteSocket } from '@nsm/netlink';
import type { Device, OpenPorts, Side } from '../port/wiring.js';
import { addClsact, filterNew } from './clsact.js';
import { sourcesOf } from './source-maps.js';
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

  /**
   * Has what arrives at a device of a connection on one node checked, as far as the other side's port says.
   * @returns what adds the check of a new device; called right before the device is set up.
   * @throws NetlinkError
   */
  guard(id: string, { side, index, fresh }: Device, ports: OpenPorts): () => void {
    const [receiver, sender] = [ports[side], ports[otherThan(side)]];
    if (!receiver || !sender) return nothing;
    const { socket } = receiver;
    const [key, sources] = [keyOf(id, side), sourcesOf(sender.port)];
    const place = { device: index, parent: 'ingress', handle, priority } as const;
    if (!sources) {
      if (!fresh && isThere(socket, index)) socket.deleteFilter({ ...place, kind: 'bpf' });
      this.#release(key);
      return nothing;
    }
    const { program, number } = this.#standing.get(key) ?? this.#take(key);
    program.write(number, sources);
    const filter = {
      ...place,
      kind: 'bpf',
      programFd: program.filter,
      name: 'mesh_source',
      class: number,
    } as const;
    if (fresh) return () => filterNew(socket, filter);
    if (!isThere(socket, index, { id: program.id, class: number })) {
      addClsact(socket, index);
      socket.addFilter(filter, { replace: true });
    }
    return nothing;
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

  #release(key: string): void {
    const standing = this.#standing.get(key);
    if (!standing) return;
    this.#standing.delete(key);
    standing.program.delete(standing.number);
    this.#free.push(standing);
  }

  #take(key: string): Standing {
    const taken = this.#free.pop() ?? this.#takeNext();
    this.#standing.set(key, taken);
    return taken;
  }

  #takeNext(): Standing {
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

function nothing(): void {}
