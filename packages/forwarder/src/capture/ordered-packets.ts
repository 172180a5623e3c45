// Packets of several devices in the order of their times, read in turns.
import type { TappedPacket } from '@nsm/netlink';

/** Packets and bytes of one device that are read at a turn, those that still wait included. */
const mostPackets = 512;
const mostBytes = 128 << 10;
/** Nanoseconds by which a packet may come later than its time says. */
const lateNs = 1_000_000n;

export interface WatchedDevice {
  readonly place: string;
  /** Undefined where nothing is captured. */
  readonly tap?: { next(): TappedPacket | undefined };
}

export interface OrderedPacket extends TappedPacket {
  /** Place of its device in the list. */
  readonly point: number;
}

interface Waiting extends OrderedPacket {
  /** Of packets with the same time the one with the lower number was seen first. */
  readonly stage: number;
}

export interface Turn {
  readonly packets: readonly OrderedPacket[];
  /** No later turn has a packet from before that. */
  readonly untilNs: bigint;
  /** There may be more to be read at once. */
  readonly isBusy: boolean;
}

export class OrderedPackets {
  readonly #devices: readonly WatchedDevice[];
  readonly #nowNs: () => bigint;
  readonly #lastRead = new Map<number, bigint>();
  #waiting: Waiting[] = [];

  constructor(devices: readonly WatchedDevice[], nowNs: () => bigint) {
    this.#devices = devices;
    this.#nowNs = nowNs;
  }

  /** Reads what there is, up to a bound, and gives what nothing earlier can follow. */
  turn(): Turn {
    // What passes while devices are read may be read of one of them now, and of another in the next turn.
    let untilNs = this.#nowNs() - lateNs;
    let isBusy = false;
    for (const point of this.#devices.keys()) {
      if (this.#readAll(point)) continue;
      isBusy = true;
      const last = this.#lastRead.get(point) ?? 0n;
      if (last < untilNs) untilNs = last;
    }
    this.#waiting.sort((a, b) => Number(a.time - b.time) || a.stage - b.stage);
    const packets = this.#waiting.filter(({ time }) => time <= untilNs);
    this.#waiting = this.#waiting.slice(packets.length);
    return { packets, untilNs, isBusy };
  }

  /** Whether nothing is left to be read. */
  #readAll(point: number): boolean {
    const { place, tap } = this.#devices[point] ?? { place: '' };
    if (!tap) return true;
    const own = this.#waiting.filter((packet) => packet.point === point);
    let count = own.length;
    let bytes = own.reduce((sum, { data }) => sum + data.length, 0);
    while (count < mostPackets && bytes < mostBytes) {
      const packet = tap.next();
      if (!packet) return true;
      this.#waiting.push({ ...packet, point, stage: stageOf(place, packet) });
      this.#lastRead.set(point, packet.time);
      count++;
      bytes += packet.data.length;
    }
    return false;
  }
}

/** Redirected from one device to the next, a packet keeps its time: it comes from a pod first, and to a pod last. */
function stageOf(place: string, { outgoing }: TappedPacket): number {
  if (place === 'underlay') return 0;
  if (place === 'node') return outgoing ? 1 : -1;
  return outgoing ? -2 : 2;
}
