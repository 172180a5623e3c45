// The memifs and vhost-user ports that the forwarder itself is the peer of, each joined to a TAP device; one thread moves
// the packets of all.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type forwarder as fw,
  type InterfaceType,
  NsmError,
  type SharedMemoryProtocol,
  traitsOf,
} from '@nsm/api';
import { libc, type NetworkNamespace, openTap, setTapFilter } from '@nsm/netlink';
import type { Sources } from '../../bpf/source-maps.js';
import { SourceProgram } from '../../bpf/source-program.js';
import type { MemoryLimits } from '../../memory-limits.js';
import type { Side } from '../../port/wiring.js';
import { memifSettings } from '../mem/memif-session.js';
import { type MemoryUse, newUse, type Sharer, useIn } from '../tap/memory-shares.js';
import { tryVhost } from '../vhost/try-vhost.js';
import { vhostSettings } from '../vhost/vhost-settings.js';
import type { SharedSockets } from './shared-sockets.js';
import { LeftOpen, SharedThread } from './shared-thread.js';
import type { SharedOrder, SharedWireSpec } from './shared-worker.js';
import { identityOf } from './socket-link.js';

/** A protocol of shared memory as the forwarder speaks it. */
interface Protocol {
  /** What is missing here beside the sockets; '' when it works. */
  missing(): string;
  wire(port: fw.Port, role: 'server' | 'client', ends: { socket: string; tap: number }): SharedWireSpec;
}

const protocols: Readonly<Record<SharedMemoryProtocol, Protocol>> = {
  memif: {
    missing: () => '',
    wire: ({ parameters, mtu }, role, ends) => ({
      protocol: 'memif',
      spec: { ...ends, ...memifSettings(parameters, role, mtu) },
    }),
  },
  'vhost-user': {
    missing: tryVhost,
    wire: ({ parameters, mtu }, role, ends) => ({
      protocol: 'vhost-user',
      spec: { ...ends, ...vhostSettings(parameters, role, mtu) },
    }),
  },
};

/** @throws NsmError `invalid` for an interface type without shared memory. */
export function protocolOf(type: InterfaceType): SharedMemoryProtocol {
  const { sharedMemory } = traitsOf(type);
  if (sharedMemory) return sharedMemory.protocol;
  throw new NsmError('invalid', `interface type ${type} has no shared memory`);
}

/** An existing TAP device; without a namespace: in the node's own. */
export interface TapDevice {
  readonly name: string;
  readonly index: number;
  readonly namespace?: NetworkNamespace;
  /** From where what is read from it may have been sent. Default: from anywhere. */
  readonly sources?: Sources | undefined;
}

/** Packets between a pod's shared memory and its TAP device since they were joined last. */
export interface SharedTraffic {
  readonly sent: Counted;
  readonly received: Counted;
  /** Packets for the pod while no application was attached. */
  readonly unheard: bigint;
}

interface Counted {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly drops: bigint;
}

interface Wire {
  readonly order: string;
  readonly counters: Float64Array;
  /** Checks what is read from the TAP device. */
  program?: SourceProgram | undefined;
}

export class SharedEngine {
  readonly #sockets: SharedSockets;
  readonly #checks: boolean;
  readonly #limits: MemoryLimits;
  readonly #use = newUse();
  readonly #onLoss: (ids: readonly string[]) => void;
  readonly #wires = new Map<string, Wire>();
  #thread: SharedThread | undefined;

  /**
   * @param checks whether eBPF works here, which checks from where packets are sent.
   * @param limits of memory.
   * @param onLoss hears which wires have to be joined anew.
   */
  constructor(
    sockets: SharedSockets,
    checks: boolean,
    limits: MemoryLimits,
    onLoss: (ids: readonly string[]) => void,
  ) {
    this.#sockets = sockets;
    this.#checks = checks;
    this.#limits = limits;
    this.#onLoss = onLoss;
  }

  /** What is missing here; '' when it works. */
  missing(type: InterfaceType): string {
    return this.#sockets.missing(type) || protocols[protocolOf(type)].missing();
  }

  /**
   * Joins a pod's shared memory and a TAP device. A wire that is as wanted already is left alone.
   * @param side of the pod whose peer the forwarder is.
   * @throws NsmError `dataplane`, NetlinkError
   */
  async join(id: string, side: Side, port: fw.Port, tap: TapDevice): Promise<void> {
    const { type, uid } = port;
    this.#sockets.place(id, side, type, uid);
    const other = side === 'client' ? 'endpoint' : 'client';
    const socket = this.#sockets.place(id, other, type, process.getuid?.() ?? 0);
    this.#sockets.join(id, type);
    const role = side === 'client' ? 'server' : 'client';
    const wire = (tap: number): SharedWireSpec =>
      protocols[protocolOf(type)].wire(port, role, { socket, tap });
    // A folder that was removed and made again is not watched yet.
    const sources = this.#checks ? tap.sources : undefined;
    const order = JSON.stringify([wire(0), tap.index, identityOf(dirname(socket)), sources !== undefined]);
    const served = side === 'endpoint' || existsSync(socket);
    const present = this.#wires.get(id);
    if (present?.order === order && served) {
      if (sources) present.program?.write(0, sources);
      return;
    }
    await this.release(id);
    const { fd } = openTap({ kind: 'tap', name: tap.name, namespace: tap.namespace });
    const program = sources && filterTap(fd, sources);
    const counters = new Float64Array(new SharedArrayBuffer(7 * Float64Array.BYTES_PER_ELEMENT));
    this.#wires.set(id, { order, counters, program });
    try {
      await this.#tell({ kind: 'open', id, wire: wire(fd), sharer: sharerOf(port), counters });
    } catch (error) {
      this.#forget(id);
      throw error;
    }
  }

  /** Ends a wire; the pod's application sees a disconnect. Harmless when there is none. */
  async release(id: string): Promise<void> {
    if (this.#forget(id)) await this.#tell({ kind: 'close', id });
  }

  /** @returns whether there was such a wire. */
  #forget(id: string): boolean {
    this.#wires.get(id)?.program?.close();
    return this.#wires.delete(id);
  }

  /** How far the limits of memory are used. */
  get memoryUse(): MemoryUse {
    return useIn(this.#use);
  }

  /** Packets for a pod with shared memory that the other pod may not send. */
  refused(id: string): bigint {
    return this.#wires.get(id)?.program?.refused(0) ?? 0n;
  }

  /** Seen from the pod with the shared memory; undefined when there is none. */
  traffic(id: string): SharedTraffic | undefined {
    const counters = this.#wires.get(id)?.counters;
    if (!counters) return undefined;
    const counted = (first: number): Counted => {
      const [packets = 0n, bytes = 0n, drops = 0n] = [...counters.subarray(first, first + 3)].map(BigInt);
      return { packets, bytes, drops };
    };
    return { sent: counted(0), received: counted(3), unheard: BigInt(counters[6] ?? 0) };
  }

  async stop(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    for (const id of this.#wires.keys()) this.#forget(id);
    await thread?.stop();
  }

  async #tell(order: SharedOrder): Promise<void> {
    this.#thread ??= new SharedThread(
      { limits: this.#limits, use: this.#use },
      (error) => this.#died(error),
      (id) => this.#onLoss([id]),
    );
    await this.#thread.tell(order);
  }

  /**
   * A thread that dies of an exception has let go of everything before, and the next order starts another: a pod whose packets
   * crash it must not take the manager along. Whatever else ends the thread leaves its TAP devices open in this process, where no
   * other thread can open them again: an uncaught exception here ends the process, and a restart joins all wires anew.
   */
  #died(error: Error): void {
    // The engine was stopped.
    if (!this.#thread) return;
    const lost = [...this.#wires.keys()];
    this.#thread = undefined;
    for (const id of lost) this.#forget(id);
    if (error instanceof LeftOpen) throw error;
    this.#onLoss(lost);
  }
}

function sharerOf({ namespace, uid }: fw.Port): Sharer {
  return { pod: `${namespace?.cookie || namespace?.inode}`, uid };
}

/** Has what is read from a TAP device checked, where the pod that has the device cannot reach. @throws NetlinkError */
function filterTap(fd: number, sources: Sources): SourceProgram {
  const program = SourceProgram.load();
  try {
    program.write(0, sources);
    setTapFilter(fd, program.tapFilter);
    return program;
  } catch (error) {
    program.close();
    libc.close(fd);
    throw error;
  }
}
