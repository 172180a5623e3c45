// eBPF programs: loading a compiled object, finding what is loaded already, and trying a program out.

import { EINVAL } from '../libc/errno.js';
import { addressOf, close } from '../libc/libc.js';
import { NetlinkError } from '../libc/netlink-error.js';
import { BPF, callBpf, openById } from './bpf-call.js';
import { BpfMap } from './bpf-map.js';
import { type Handle, type Libbpf, libbpf } from './libbpf.js';

/** A loaded object: its programs and maps live at least as long as it is open. */
export class BpfObject implements Disposable {
  readonly #library: Libbpf;
  readonly #path: string;
  #object: Handle | undefined;

  private constructor(library: Libbpf, object: Handle, path: string) {
    this.#library = library;
    this.#object = object;
    this.#path = path;
  }

  /**
   * Loads a compiled object into the kernel by libbpf.
   * @param reuse maps by name to take instead of new ones, so that new programs go on with the entries of old ones.
   * @throws NetlinkError EPERM: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed; Error when libbpf.so.1 is not installed
   */
  static load(path: string, reuse: ReadonlyMap<string, BpfMap> = new Map()): BpfObject {
    const library = libbpf();
    const handle = library.open(path);
    if (handle === null) throw new NetlinkError(library.errno(), 'open eBPF object', path);
    const object = new BpfObject(library, handle, path);
    try {
      for (const [name, map] of reuse) {
        const own = library.map(handle, name);
        if (own !== null) object.#check(library.reuseMap(own, map.fd), `reuse eBPF map ${name} in`);
      }
      object.#check(library.load(handle), 'load eBPF object');
      return object;
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /** Descriptor of a program; it belongs to this object. @throws NetlinkError */
  program(name: string): number {
    const program = this.#library.program(this.#handle(), name);
    return this.#check(
      program === null ? -EINVAL : this.#library.programFd(program),
      `find program ${name} in`,
    );
  }

  /** A map, which belongs to this object: do not close it. @throws NetlinkError */
  map(name: string): BpfMap {
    const map = this.#library.map(this.#handle(), name);
    return new BpfMap(this.#check(map === null ? -EINVAL : this.#library.mapFd(map), `find map ${name} in`));
  }

  /** Programs that filters hold stay, and so do their maps. Harmless when repeated. */
  close(): void {
    if (this.#object !== undefined) this.#library.close(this.#object);
    this.#object = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #handle(): Handle {
    if (this.#object === undefined) throw new NetlinkError(EINVAL, 'use closed eBPF object', this.#path);
    return this.#object;
  }

  #check(result: number, operation: string): number {
    if (result < 0) throw new NetlinkError(-result, operation, this.#path);
    return result;
  }
}

/** What a loaded program is. */
export interface BpfProgramInfo {
  readonly id: number;
  /** The first 15 characters. */
  readonly name: string;
  /** Hash of its instructions, 16 hexadecimal digits. */
  readonly tag: string;
  readonly mapIds: readonly number[];
}

const MAX_MAPS = 64;

/** What the program behind a descriptor is. @throws NetlinkError */
export const describeProgram = (fd: number): BpfProgramInfo => {
  const ids = Buffer.alloc(4 * MAX_MAPS);
  const info = Buffer.alloc(80);
  info.writeUInt32LE(MAX_MAPS, 52);
  info.writeBigUInt64LE(addressOf(ids), 56);
  const attributes = Buffer.alloc(16);
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(info.length, 4);
  attributes.writeBigUInt64LE(addressOf(info), 8);
  callBpf(BPF.info, attributes, 'ask about', `eBPF program ${fd}`);
  const count = Math.min(info.readUInt32LE(52), MAX_MAPS);
  return {
    id: info.readUInt32LE(4),
    name: info.toString('latin1', 64, 80).split('\0', 1)[0] ?? '',
    tag: info.toString('hex', 8, 16),
    mapIds: Array.from({ length: count }, (_, n) => ids.readUInt32LE(4 * n)),
  };
};

/** Opens the maps that a loaded program uses, by name, for the caller to close. @throws NetlinkError */
export const mapsOfProgram = (id: number): Map<string, BpfMap> => {
  const fd = openById(BPF.programById, id, `eBPF program #${id}`);
  try {
    const maps = describeProgram(fd).mapIds.map((mapId) => BpfMap.openId(mapId));
    return new Map(maps.map((map) => [map.name, map]));
  } finally {
    close(fd);
  }
};

/** What a program made of a packet. */
export interface TestRun {
  /** Its verdict, as an unsigned number. */
  readonly verdict: number;
  readonly packet: Buffer;
}

const MAX_PACKET = 4096;

/**
 * Runs a program once over a packet (BPF_PROG_TEST_RUN); it goes nowhere, whatever the program says. A program for tc
 * gets a frame that has arrived on the loopback device of the calling thread's namespace. @throws NetlinkError
 */
export const testRun = (fd: number, packet: Uint8Array): TestRun => {
  const result = Buffer.alloc(MAX_PACKET);
  const attributes = Buffer.alloc(80);
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(packet.length, 8);
  attributes.writeUInt32LE(result.length, 12);
  attributes.writeBigUInt64LE(addressOf(packet), 16);
  attributes.writeBigUInt64LE(addressOf(result), 24);
  attributes.writeUInt32LE(1, 32);
  callBpf(BPF.testRun, attributes, 'try out', `eBPF program ${fd}`);
  return { verdict: attributes.readUInt32LE(4), packet: result.subarray(0, attributes.readUInt32LE(12)) };
};
