// An eBPF map by its descriptor: bytes in, bytes out.
import { readFileSync } from 'node:fs';
import { ENOENT, ENOMEM } from '../libc/errno.js';
import { addressOf, close } from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';
import { BPF, callBpf, openById } from './bpf-call.js';

/** Whether an entry may, must or must not exist before. */
export type MapConflict = 'replace' | 'create' | 'change';

const FLAGS: Readonly<Record<MapConflict, bigint>> = { replace: 0n, create: 1n, change: 2n };
const PER_CPU_TYPES: ReadonlySet<number> = new Set([5, 6, 10, 21]);
const INFO_SIZE = 40;
/**
 * Maps that are not made in full at once take their memory from a reserve that the kernel refills in its own time
 * (kernel/bpf/memalloc.c): what is written faster finds none for a moment, seen as long as a few milliseconds.
 */
const REFILL_MS = 20;

/** All throw {@link NetlinkError}. A call takes about two microseconds. */
export class BpfMap implements Disposable {
  readonly name: string;
  readonly keySize: number;
  /** Bytes of one value; of a per-CPU map, of one CPU's. */
  readonly valueSize: number;
  /** Entries that it holds at most. */
  readonly size: number;
  /** One value for each possible CPU. */
  readonly perCpu: boolean;
  #fd: number;

  /** Takes over a descriptor. */
  constructor(fd: number) {
    this.#fd = fd;
    const info = Buffer.alloc(INFO_SIZE);
    const attributes = Buffer.alloc(16);
    attributes.writeUInt32LE(fd, 0);
    attributes.writeUInt32LE(INFO_SIZE, 4);
    attributes.writeBigUInt64LE(addressOf(info), 8);
    callBpf(BPF.info, attributes, 'ask about', `eBPF map ${fd}`);
    this.perCpu = PER_CPU_TYPES.has(info.readUInt32LE(0));
    this.keySize = info.readUInt32LE(8);
    this.valueSize = info.readUInt32LE(12);
    this.size = info.readUInt32LE(16);
    this.name = info.toString('latin1', 24, 40).split('\0', 1)[0] ?? '';
  }

  /** Needs CAP_SYS_ADMIN. ENOENT: there is none. */
  static openId(id: number): BpfMap {
    return new BpfMap(openById(BPF.mapById, id, `eBPF map #${id}`));
  }

  /** −1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** EEXIST, ENOENT: against what `conflict` says; E2BIG: the map is full. A per-CPU map takes the value for all CPUs. */
  update(key: Uint8Array, value: Uint8Array, conflict: MapConflict = 'replace'): void {
    this.#check(key, value);
    const all = this.perCpu ? repeat(value, this.#stride(), possibleCpus()) : value;
    const deadline = performance.now() + REFILL_MS;
    for (;;) {
      try {
        this.#call(BPF.update, 'write to', key, all, FLAGS[conflict]);
        return;
      } catch (error) {
        const isDry = error instanceof NetlinkError && error.errno === ENOMEM;
        if (!isDry || performance.now() > deadline) throw error;
      }
    }
  }

  /** The value, or undefined when there is none. Of a per-CPU map the values of all CPUs, one after the other. */
  lookup(key: Uint8Array): Buffer | undefined {
    this.#check(key);
    const size = this.perCpu ? this.#stride() * possibleCpus() : this.valueSize;
    const value = Buffer.alloc(size);
    return this.#found(() => this.#call(BPF.lookup, 'read', key, value)) ? value : undefined;
  }

  /** False when there was none. */
  delete(key: Uint8Array): boolean {
    this.#check(key);
    return this.#found(() => this.#call(BPF.delete, 'delete from', key));
  }

  /** All keys. Entries that come or go meanwhile may be missed or listed twice. */
  keys(): Buffer[] {
    const keys: Buffer[] = [];
    let previous: Buffer | null = null;
    for (;;) {
      const next: Buffer = Buffer.alloc(this.keySize);
      const after: Buffer | null = previous;
      if (!this.#found(() => this.#call(BPF.nextKey, 'list', after, next))) return keys;
      keys.push(next);
      previous = next;
    }
  }

  /** Bytes from one CPU's value to the next in what {@link lookup} returns. */
  get stride(): number {
    return this.#stride();
  }

  /** The map itself lives as long as a program uses it. Harmless when repeated. */
  close(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #stride(): number {
    return Math.ceil(this.valueSize / 8) * 8;
  }

  // The kernel copies as much as the map's sizes say, whatever was given.
  #check(key: Uint8Array, value?: Uint8Array): void {
    if (key.length !== this.keySize || (value !== undefined && value.length !== this.valueSize))
      throw new RangeError(
        `eBPF map ${this.name} has keys of ${this.keySize} and values of ${this.valueSize} bytes`,
      );
  }

  #call(
    command: number,
    operation: string,
    key: Uint8Array | null,
    value?: Uint8Array,
    flags: bigint = 0n,
  ): void {
    const attributes = Buffer.alloc(32);
    attributes.writeUInt32LE(this.#fd >>> 0, 0);
    if (key !== null) attributes.writeBigUInt64LE(addressOf(key), 8);
    if (value !== undefined) attributes.writeBigUInt64LE(addressOf(value), 16);
    attributes.writeBigUInt64LE(flags, 24);
    const size = command === BPF.update ? ` of ${this.size} entries` : '';
    callBpf(command, attributes, operation, `eBPF map ${this.name}${size}`);
  }

  #found(call: () => void): boolean {
    try {
      call();
      return true;
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENOENT) return false;
      throw error;
    }
  }
}

const repeat = (value: Uint8Array, stride: number, times: number): Buffer => {
  const all = Buffer.alloc(stride * times);
  for (let n = 0; n < times; n++) all.set(value, n * stride);
  return all;
};

let cpus: number | undefined;
/** How many CPUs there could be: `0-3,8` in /sys/devices/system/cpu/possible. */
const possibleCpus = (): number => {
  cpus ??=
    Math.max(
      ...readFileSync('/sys/devices/system/cpu/possible', 'utf8')
        .trim()
        .split(/[,-]/)
        .map((number) => Number(number)),
    ) + 1;
  return cpus;
};
