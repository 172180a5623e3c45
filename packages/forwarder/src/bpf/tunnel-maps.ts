// The maps of the eBPF programs: what bpf/maps.h describes, written and read.
import { type BpfMap, parseIp } from '@nsm/netlink';

/** One tunnel as the programs know it. */
export interface TunnelEntry {
  /** Number of the kind in bpf/maps.h. */
  readonly code: number;
  readonly local: string;
  readonly remote: string;
  readonly identifier: number;
  /** UDP destination; 0 without. */
  readonly port: number;
  /** Index of the device towards the other node. */
  readonly uplink: number;
  /** Bytes of the pod's largest IP packet. */
  readonly mtu: number;
  /** Frames go without IP: they are told apart by uplink and label, not by address. */
  readonly needsLink: boolean;
}

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
  readonly strays: ReadonlyMap<string, bigint>;
}

/** Names of the maps in the object. */
export const mapNames = ['nsm_outgoing', 'nsm_incoming', 'nsm_traffic'] as const;

const size = { outgoing: 48, address: 24, incoming: 24 } as const;
/** Key of the counters of packets that belong to no tunnel. */
const nobody = 0;

export class TunnelMaps {
  readonly #outgoing: BpfMap;
  readonly #incoming: BpfMap;
  readonly #traffic: BpfMap;

  constructor(find: (name: (typeof mapNames)[number]) => BpfMap) {
    this.#outgoing = find('nsm_outgoing');
    this.#incoming = find('nsm_incoming');
    this.#traffic = find('nsm_traffic');
    if (!this.#traffic.lookup(word(nobody))) this.#clear(nobody);
  }

  /** Index of the node's end that packets with this address go to; undefined when there is none. */
  owner(entry: TunnelEntry): number | undefined {
    return this.#incoming.lookup(addressOf(entry))?.readUInt32LE(0);
  }

  /** Indexes of all node's ends that have a tunnel. */
  nodeEnds(): number[] {
    return this.#outgoing.keys().map((key) => key.readUInt32LE(0));
  }

  /**
   * Makes the tunnel of a node's end what `entry` says.
   * @param elsewhere the pod has a device, and is in another network namespace than the node.
   */
  write(nodeEnd: number, entry: TunnelEntry, elsewhere: boolean): void {
    const before = this.#outgoing.lookup(word(nodeEnd));
    const value = outgoingOf(entry);
    if (!before) this.#clear(nodeEnd);
    this.#incoming.update(addressOf(entry), incomingOf(nodeEnd, entry, elsewhere));
    if (before?.equals(value)) return;
    this.#outgoing.update(word(nodeEnd), value);
    if (before) this.#forgetAddress(nodeEnd, before, addressOf(entry));
  }

  /** Forgets the tunnel of a node's end. */
  delete(nodeEnd: number): void {
    const before = this.#outgoing.lookup(word(nodeEnd));
    if (before) this.#forgetAddress(nodeEnd, before);
    this.#outgoing.delete(word(nodeEnd));
    this.#traffic.delete(word(nodeEnd));
  }

  /** Forgets addresses whose node's end has no tunnel: what an interrupted change may leave. */
  sweep(): void {
    const living = new Set(this.nodeEnds());
    for (const key of this.#incoming.keys()) {
      const owner = this.#incoming.lookup(key)?.readUInt32LE(0);
      if (owner !== undefined && !living.has(owner)) this.#incoming.delete(key);
    }
  }

  /** Counters of a node's end; undefined when it has no tunnel. */
  traffic(nodeEnd: number): TunnelTraffic | undefined {
    const sum = this.#sum(nodeEnd);
    return (
      sum && { sent: part(sum, 0), received: part(sum, 1), strays: part(this.#sum(nobody) ?? [], 1).drops }
    );
  }

  #clear(nodeEnd: number): void {
    this.#traffic.update(word(nodeEnd), Buffer.alloc(this.#traffic.valueSize));
  }

  /** Deletes the address that belongs to an outgoing entry, unless it is `kept` or has become another's. */
  #forgetAddress(nodeEnd: number, outgoing: Buffer, kept?: Buffer): void {
    for (const key of addressesOf(outgoing)) {
      if (kept?.equals(key)) continue;
      if (this.#incoming.lookup(key)?.readUInt32LE(0) === nodeEnd) this.#incoming.delete(key);
    }
  }

  /** The counters of all CPUs together. */
  #sum(nodeEnd: number): bigint[] | undefined {
    const values = this.#traffic.lookup(word(nodeEnd));
    if (!values) return undefined;
    const { stride } = this.#traffic;
    const sum = Array.from({ length: stride / 8 }, () => 0n);
    for (let at = 0; at < values.length; at += 8) {
      const n = (at % stride) / 8;
      sum[n] = (sum[n] ?? 0n) + values.readBigUInt64LE(at);
    }
    return sum;
  }
}

/** One direction of `struct traffic`: packets, bytes, and the drops for which there are any. */
function part(sum: readonly bigint[], direction: 0 | 1): Traffic {
  const drops = reasons.map((reason, n): [string, bigint] => [
    reason,
    sum[4 + direction * reasons.length + n] ?? 0n,
  ]);
  return {
    packets: sum[direction] ?? 0n,
    bytes: sum[2 + direction] ?? 0n,
    drops: new Map(drops.filter(([, count]) => count > 0n)),
  };
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function versionOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** `struct outgoing`. */
function outgoingOf({ code, local, remote, identifier, port, uplink, mtu }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.outgoing);
  bytes.writeUInt8(code, 0);
  bytes.writeUInt8(versionOf(remote), 1);
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt32LE(identifier, 4);
  bytes.set(parseIp(local), 8);
  bytes.set(parseIp(remote), 24);
  bytes.writeUInt32LE(uplink, 40);
  bytes.writeUInt32LE(mtu, 44);
  return bytes;
}

/** `struct address`. */
function addressOf({ code, local, identifier, uplink, needsLink }: TunnelEntry): Buffer {
  const bytes = Buffer.alloc(size.address);
  if (needsLink) bytes.writeUInt32LE(uplink, 0);
  else bytes.set(parseIp(local), 0);
  bytes.writeUInt32LE(identifier, 16);
  bytes.writeUInt8(code, 20);
  bytes.writeUInt8(needsLink ? 0 : versionOf(local), 21);
  return bytes;
}

/** Both forms of `struct address` that may belong to a `struct outgoing`. */
function addressesOf(outgoing: Buffer): Buffer[] {
  const byAddress = Buffer.alloc(size.address);
  outgoing.copy(byAddress, 0, 8, 24);
  outgoing.copy(byAddress, 16, 4, 8);
  outgoing.copy(byAddress, 20, 0, 2);
  const byUplink = Buffer.alloc(size.address);
  outgoing.copy(byUplink, 0, 40, 44);
  outgoing.copy(byUplink, 16, 4, 8);
  outgoing.copy(byUplink, 20, 0, 1);
  return [byAddress, byUplink];
}

/** `struct incoming`. */
function incomingOf(nodeEnd: number, { remote }: TunnelEntry, elsewhere: boolean): Buffer {
  const bytes = Buffer.alloc(size.incoming);
  bytes.writeUInt32LE(nodeEnd, 0);
  bytes.set(parseIp(remote), 4);
  bytes.writeUInt32LE(elsewhere ? 1 : 0, 20);
  return bytes;
}
