// What the eBPF programs counted of each tunnel: `struct traffic` of bpf/maps.h.
import type { BpfMap } from '@nsm/netlink';
import { word } from './tunnel-structures.js';

/** Packets that the pod may not send, as they are not from its own address. */
export const notOwn = 'not from its own address';

/** Why packets were dropped, in the order of `enum reason` in bpf/maps.h. */
const reasons = [
  'too large',
  'unsupported',
  'wrong source address',
  'truncated',
  'fragmented',
  'malformed',
  'congestion',
  'unknown identifier',
  'not by the pod',
  notOwn,
] as const;

export interface Traffic {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly drops: ReadonlyMap<string, bigint>;
}

/** What went through a tunnel. */
export interface TunnelTraffic {
  /** By the pod. */
  readonly sent: Traffic;
  readonly received: Traffic;
  /** Drops of packets that belong to no tunnel. */
  readonly unmatched: ReadonlyMap<string, bigint>;
}

/** Indexes of the words of `struct traffic`; packets and bytes have one for each direction. */
const at = { packets: 0, bytes: 2, handedOver: 4, left: 5, drops: 6 } as const;
/** A frame is on its way from one counter to the other for a microsecond; a sample takes two. */
const samples = 8;
/** Key of the counters of packets that belong to no tunnel. */
const nobody = 0;

export class TunnelCounters {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
    if (!map.lookup(word(nobody))) this.begin(nobody);
  }

  /** Numbers that have counters: node's ends, and guarded tunnels. */
  numbers(): number[] {
    return this.#map.keys().map((key) => key.readUInt32LE(0));
  }

  has(number: number): boolean {
    return this.#map.lookup(word(number)) !== undefined;
  }

  /** Counts from zero. */
  begin(number: number): void {
    this.#map.update(word(number), Buffer.alloc(this.#map.valueSize));
  }

  delete(number: number): void {
    this.#map.delete(word(number));
  }

  /** Counters of a node's end; undefined when the node's end has no tunnel. */
  of(nodeEnd: number): TunnelTraffic | undefined {
    const sum = this.#sum(nodeEnd);
    if (!sum) return undefined;
    const sent = part(sum, 0);
    const lost = this.#lost(nodeEnd, sum);
    const drops = lost > 0n ? new Map([...sent.drops, ['no neighbour', lost]]) : sent.drops;
    const unmatched = part(this.#sum(nobody) ?? [], 1).drops;
    return { sent: { ...sent, drops }, received: part(sum, 1), unmatched };
  }

  /** Frames that never left by an uplink: the least difference of both counters in some samples, as frames on their way are in it. */
  #lost(nodeEnd: number, first: readonly bigint[]): bigint {
    let sum: readonly bigint[] | undefined = first;
    let fewest = first[at.handedOver] ?? 0n;
    for (let n = 0; n < samples && sum; n++) {
      const lost = (sum[at.handedOver] ?? 0n) - (sum[at.left] ?? 0n);
      if (lost <= 0n) return 0n;
      if (lost < fewest) fewest = lost;
      sum = this.#sum(nodeEnd);
    }
    return fewest;
  }

  /** The counters of all CPUs together. */
  #sum(nodeEnd: number): bigint[] | undefined {
    const values = this.#map.lookup(word(nodeEnd));
    if (!values) return undefined;
    const { stride } = this.#map;
    const sum = Array.from({ length: stride / 8 }, () => 0n);
    for (let offset = 0; offset < values.length; offset += 8) {
      const n = (offset % stride) / 8;
      sum[n] = (sum[n] ?? 0n) + values.readBigUInt64LE(offset);
    }
    return sum;
  }
}

/** One direction of `struct traffic`: packets, bytes, and the drops for which there are any. */
function part(sum: readonly bigint[], direction: 0 | 1): Traffic {
  const drops = reasons.map((reason, n): [string, bigint] => [
    reason,
    sum[at.drops + direction * reasons.length + n] ?? 0n,
  ]);
  return {
    packets: sum[at.packets + direction] ?? 0n,
    bytes: sum[at.bytes + direction] ?? 0n,
    drops: new Map(drops.filter(([, count]) => count > 0n)),
  };
}
