// The maps of the eBPF programs that bpf/maps.h describes: tunnels, what they carried, and where they end.
import type { BpfMap } from '@nsm/netlink';
import { SourceMaps } from './source-maps.js';
import { TunnelCounters, type TunnelTraffic } from './tunnel-counters.js';
import {
  addressesOf,
  addressOf,
  entryOf,
  incomingOf,
  outgoingOf,
  placeOf,
  type Sender,
  senderIn,
  senderOf,
  type TunnelEntry,
  word,
} from './tunnel-structures.js';

const maps = [
  'outgoing',
  'incoming',
  'served',
  'traffic',
  'strict',
  'senders',
  'sources',
  'prefixes',
] as const;
type MapName = (typeof maps)[number];

/** Number of the structures' layout, as in bpf/maps.h: a forwarder goes on with maps of its own layout only. */
const layout = 5;
const nameOf = (map: MapName): string => `nsm_${map}_${layout}`;

/** Names of the maps in the object. */
export const mapNames: readonly string[] = maps.map(nameOf);

/** `enum served`. */
const served = { shared: 1, guarded: 2 } as const;
/** Numbers from here up stand for devices of the kernel's own: OF_THE_KERNEL in bpf/maps.h. */
export const ofTheKernel: number = 2 ** 31;

export class TunnelMaps {
  #maps: Readonly<Record<MapName, BpfMap>>;
  #counters: TunnelCounters;
  #sources: SourceMaps;

  constructor(find: (name: string) => BpfMap) {
    this.#maps = all(find);
    this.#counters = new TunnelCounters(this.#maps.traffic);
    this.#sources = new SourceMaps(this.#maps.sources, this.#maps.prefixes);
  }

  /** Goes on with others; what stands in the former ones is left behind. */
  use(find: (name: string) => BpfMap): void {
    this.#maps = all(find);
    this.#counters = new TunnelCounters(this.#maps.traffic);
    this.#sources = new SourceMaps(this.#maps.sources, this.#maps.prefixes);
  }

  get #outgoing(): BpfMap {
    return this.#maps.outgoing;
  }

  get #incoming(): BpfMap {
    return this.#maps.incoming;
  }

  get #served(): BpfMap {
    return this.#maps.served;
  }

  /** From where pods may send into their node's ends. */
  get sources(): SourceMaps {
    return this.#sources;
  }

  /** Counters of a node's end or a guarded tunnel; undefined for a number without a tunnel. */
  traffic(number: number): TunnelTraffic | undefined {
    return this.#counters.of(number);
  }

  /** Whether a device takes IPv4 packets only from where answers would leave by it. */
  setStrict(device: number, strict: boolean): void {
    if (strict) this.#maps.strict.update(word(device), word(1));
    else this.#maps.strict.delete(word(device));
  }

  /** Has frames without IP taken from there. */
  allow(sender: Sender): void {
    this.#maps.senders.update(senderOf(sender), word(1));
  }

  /** From where frames without IP of another node are taken. */
  senders(remote: string): Sender[] {
    const senders = this.#maps.senders.keys().map((key) => senderIn(key, remote));
    return senders.filter((sender) => sender !== undefined);
  }

  /** Ends what `allow` began. */
  forbid(sender: Sender): void {
    this.#maps.senders.delete(senderOf(sender));
  }

  /** Index of the node's end that packets with this address go to; undefined when there is none. */
  owner(entry: TunnelEntry): number | undefined {
    return this.#incoming.lookup(addressOf(entry))?.readUInt32LE(0);
  }

  /** Indexes of all node's ends that have a tunnel. */
  nodeEnds(): number[] {
    return this.#outgoing.keys().map((key) => key.readUInt32LE(0));
  }

  /** No tunnel is left, of any forwarder on this node. */
  get isEmpty(): boolean {
    return this.#outgoing.keys().length === 0 && this.#incoming.keys().length === 0;
  }

  /** The tunnel of a node's end; undefined when there is none. */
  entry(nodeEnd: number): TunnelEntry | undefined {
    const outgoing = this.#outgoing.lookup(word(nodeEnd));
    if (!outgoing) return undefined;
    for (const [n, key] of addressesOf(outgoing).entries()) {
      const incoming = this.#incoming.lookup(key);
      if (incoming?.readUInt32LE(0) === nodeEnd) return entryOf(outgoing, incoming, n === 1);
    }
    return undefined;
  }

  /** Makes the tunnel of a node's end what `entry` says. */
  write(nodeEnd: number, entry: TunnelEntry): void {
    const before = this.#outgoing.lookup(word(nodeEnd));
    const value = outgoingOf(entry);
    if (!before) this.#counters.begin(nodeEnd);
    this.#incoming.update(addressOf(entry), incomingOf(nodeEnd, entry));
    if (before?.equals(value)) return;
    this.#outgoing.update(word(nodeEnd), value);
    if (before) this.#forgetAddress(nodeEnd, before, addressOf(entry));
  }

  /** Forgets the tunnel of a node's end. */
  delete(nodeEnd: number): void {
    const before = this.#outgoing.lookup(word(nodeEnd));
    if (before) this.#forgetAddress(nodeEnd, before);
    this.#outgoing.delete(word(nodeEnd));
    this.#sources.delete(nodeEnd);
    this.#counters.delete(nodeEnd);
  }

  /**
   * Has packets of a tunnel that ends in a device of the kernel's own checked, and those that are not right dropped.
   * @param number from `ofTheKernel` up: the key of its counters.
   */
  guard(number: number, entry: TunnelEntry): void {
    if (!this.#counters.has(number)) this.#counters.begin(number);
    this.#incoming.update(addressOf(entry), incomingOf(number, entry));
  }

  /** Ends what `guard` began. */
  unguard(number: number, entry: TunnelEntry): void {
    if (this.owner(entry) === number) this.#incoming.delete(addressOf(entry));
    this.#counters.delete(number);
  }

  /**
   * Has packets that belong to no tunnel dropped where this one ends.
   * @param shared a program or device beside the mesh may want such packets: they are passed on.
   * @param guarded the tunnel ends in a device of the kernel's own, which drops such packets: they are counted all the same.
   */
  serve(entry: TunnelEntry, shared: boolean, guarded: boolean): void {
    const place = placeOf(entry);
    const before = this.#served.lookup(place)?.readUInt32LE(0) ?? 0;
    this.#served.update(
      place,
      word((shared ? served.shared : 0) | (guarded ? served.guarded : before & served.guarded)),
    );
  }

  /**
   * Forgets what belongs to no tunnel any more.
   * @param living gives what tells whether a number stands for a node's end that exists, or for a tunnel that is guarded. Called
   * when everything has been listed: another forwarder on these maps may be making tunnels meanwhile, device first.
   */
  sweep(living: () => (number: number) => boolean): void {
    const senders = this.#maps.senders.keys();
    const [nodeEnds, counters, addresses] = [
      this.nodeEnds(),
      this.#counters.numbers(),
      this.#incoming.keys(),
    ];
    const isLiving = living();
    for (const nodeEnd of nodeEnds) if (!isLiving(nodeEnd)) this.delete(nodeEnd);
    for (const number of counters)
      if (number >= ofTheKernel && !isLiving(number)) this.#counters.delete(number);
    this.#sources.sweep(isLiving);
    const guardedAt = new Map<string, boolean>();
    const remotes = new Set<string>();
    for (const key of addresses) {
      const incoming = this.#incoming.lookup(key);
      const owner = incoming?.readUInt32LE(0) ?? 0;
      if (!isLiving(owner)) {
        this.#incoming.delete(key);
        continue;
      }
      remotes.add(incoming?.toString('latin1', 4, 20) ?? '');
      const place = this.#placeWhere(key, owner)?.toString('latin1') ?? '';
      guardedAt.set(place, owner >= ofTheKernel || (guardedAt.get(place) ?? false));
    }
    for (const sender of senders)
      if (!remotes.has(sender.toString('latin1', 0, 16))) this.#maps.senders.delete(sender);
    for (const place of this.#served.keys()) {
      const guarded = guardedAt.get(place.toString('latin1'));
      const before = this.#served.lookup(place)?.readUInt32LE(0) ?? 0;
      if (guarded === undefined) this.#served.delete(place);
      else if (!guarded && before & served.guarded)
        this.#served.update(place, word(before & ~served.guarded));
    }
  }

  /** Where the tunnel with this address ends; undefined while its node's end has no tunnel. */
  #placeWhere(address: Buffer, nodeEnd: number): Buffer | undefined {
    const place = Buffer.from(address);
    place.writeUInt32LE(0, 16);
    if (address.readUInt8(21) !== 0) return place;
    const outgoing = this.#outgoing.lookup(word(nodeEnd));
    outgoing?.copy(place, 0, 40, 44);
    return outgoing && place;
  }

  /** Deletes the address that belongs to an outgoing entry, unless it is `kept` or has become another's. */
  #forgetAddress(nodeEnd: number, outgoing: Buffer, kept?: Buffer): void {
    for (const key of addressesOf(outgoing)) {
      if (kept?.equals(key)) continue;
      if (this.#incoming.lookup(key)?.readUInt32LE(0) === nodeEnd) this.#incoming.delete(key);
    }
  }
}

function all(find: (name: string) => BpfMap): Readonly<Record<MapName, BpfMap>> {
  return {
    outgoing: find(nameOf('outgoing')),
    incoming: find(nameOf('incoming')),
    served: find(nameOf('served')),
    traffic: find(nameOf('traffic')),
    strict: find(nameOf('strict')),
    senders: find(nameOf('senders')),
    sources: find(nameOf('sources')),
    prefixes: find(nameOf('prefixes')),
  };
}
