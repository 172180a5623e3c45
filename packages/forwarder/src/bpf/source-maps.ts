// From where pods may send, as the programs know it: the structures of bpf/source.h.
import { randomInt } from 'node:crypto';
import { type forwarder as fw, NsmError, traitsOf } from '@nsm/api';
import { type BpfMap, IpPrefix, parseMac } from '@nsm/netlink';
import { linkLocal } from '../port/ipv6.js';
import { word } from './tunnel-structures.js';

/** `enum permission`. */
const permission = { onlyMac: 1, any: { 4: 2, 6: 4 }, more: { 4: 8, 6: 16 }, anyMac: 32 } as const;
/** Bytes of `struct sources`, and where its fields begin. */
const at = { permissions: 6, address: { 4: 8, 6: 12 }, linkLocal: 28, list: 36, size: 40 } as const;

/** What a pod may send from. */
export interface Sources {
  /** Undefined of an application on shared memory, which has no device, and the MAC address of its own choice. */
  readonly mac: string | undefined;
  /** None: only the MAC address counts. */
  readonly prefixes: readonly IpPrefix[];
}

/** Undefined: a pod that may send from anywhere. */
export function sourcesOf({
  type,
  mac,
  sources,
}: Pick<fw.Port, 'type' | 'mac' | 'sources'>): Sources | undefined {
  if (!sources) return undefined;
  const prefixes = sources.prefixes.map((text) => IpPrefix.of(text).network);
  if (traitsOf(type).sharedMemory) return { mac: undefined, prefixes };
  if (mac === '') throw new NsmError('invalid', 'the sources of a pod are checked by its MAC address, too');
  return { mac, prefixes };
}

export class SourceMaps {
  readonly #sources: BpfMap;
  readonly #prefixes: BpfMap;
  /** Keys of prefixes by the number of their list, those of an earlier process included. */
  readonly #lists = new Map<number, Buffer[]>();

  constructor(sources: BpfMap, prefixes: BpfMap) {
    this.#sources = sources;
    this.#prefixes = prefixes;
    for (const key of prefixes.keys()) this.#listOf(key.readUInt32LE(4)).push(key);
  }

  /**
   * Makes what stands for a number what a pod may send from now on. Packets are checked meanwhile.
   * @returns whether the number stood for nothing. @throws NetlinkError
   */
  write(number: number, wanted: Sources): boolean {
    const before = this.#sources.lookup(word(number));
    const list = this.#freeList();
    const { value, prefixes } = encode(wanted, list);
    if (before && this.#isSame(before, value, prefixes)) return false;
    const written = prefixes.length > 0 ? this.#listOf(list) : [];
    try {
      for (const key of prefixes) {
        this.#prefixes.update(key, word(1));
        written.push(key);
      }
      this.#sources.update(word(number), value);
    } catch (error) {
      this.#forgetList(list);
      throw error;
    }
    if (before) this.#forgetList(before.readUInt32LE(at.list));
    return before === undefined;
  }

  delete(number: number): void {
    const before = this.#sources.lookup(word(number));
    if (!before) return;
    this.#sources.delete(word(number));
    this.#forgetList(before.readUInt32LE(at.list));
  }

  /** Forgets numbers that stand for nothing any more, and what an earlier process began to write. */
  sweep(isLiving: (number: number) => boolean): void {
    const used = new Set<number>();
    for (const key of this.#sources.keys()) {
      const number = key.readUInt32LE(0);
      if (isLiving(number)) used.add(this.#sources.lookup(key)?.readUInt32LE(at.list) ?? 0);
      else this.delete(number);
    }
    for (const list of this.#lists.keys()) if (!used.has(list)) this.#forgetList(list);
  }

  /** Whether an entry says the same as another, whose list has another number. */
  #isSame(before: Buffer, value: Buffer, prefixes: readonly Buffer[]): boolean {
    const { list } = at;
    if (!before.subarray(0, list).equals(value.subarray(0, list))) return false;
    const present = this.#lists.get(before.readUInt32LE(list)) ?? [];
    const said = (keys: readonly Buffer[]): string[] =>
      keys.map((key) => key.toString('latin1', 0, 4) + key.toString('latin1', 8)).sort();
    return said(present).join('\n') === said(prefixes).join('\n');
  }

  #forgetList(list: number): void {
    for (const key of this.#lists.get(list) ?? []) this.#prefixes.delete(key);
    this.#lists.delete(list);
  }

  #listOf(list: number): Buffer[] {
    const keys = this.#lists.get(list) ?? [];
    this.#lists.set(list, keys);
    return keys;
  }

  /** Another forwarder beside this one takes numbers from the same maps. */
  #freeList(): number {
    for (;;) {
      const list = randomInt(1, 2 ** 32);
      if (!this.#lists.has(list)) return list;
    }
  }
}

/** `struct sources`, and a `struct prefix` for each network that has no place in it. */
function encode({ mac, prefixes }: Sources, list: number): { value: Buffer; prefixes: Buffer[] } {
  const value = Buffer.alloc(at.size);
  let permissions = prefixes.length === 0 ? permission.onlyMac : 0;
  if (mac === undefined) permissions |= permission.anyMac;
  else {
    value.set(parseMac(mac), 0);
    value.set(IpPrefix.of(linkLocal(mac)).bytes.subarray(8), at.linkLocal);
  }
  value.writeUInt32LE(list, at.list);
  const more: Buffer[] = [];
  for (const version of [4, 6] as const) {
    const own = prefixes.filter((prefix) => prefix.version === version);
    if (own.some(({ length }) => length === 0)) {
      permissions |= permission.any[version];
      continue;
    }
    const first = own.find(({ isHost }) => isHost);
    if (first) value.set(first.bytes, at.address[version]);
    const others = own.filter((prefix) => prefix !== first);
    if (others.length > 0) permissions |= permission.more[version];
    more.push(...others.map((prefix) => keyOf(prefix, list)));
  }
  value.writeUInt16LE(permissions, at.permissions);
  return { value, prefixes: more };
}

/** `struct prefix`. */
function keyOf({ version, length, bytes }: IpPrefix, list: number): Buffer {
  const key = Buffer.alloc(28);
  key.writeUInt32LE(64 + length, 0);
  key.writeUInt32LE(list, 4);
  key.writeUInt32LE(version, 8);
  key.set(bytes, 12);
  return key;
}
