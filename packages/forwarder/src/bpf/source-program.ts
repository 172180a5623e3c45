// The eBPF programs of bpf/source.bpf.c with maps of their own, which go with the last filter that holds them.
import { fileURLToPath } from 'node:url';
import { type BpfMap, BpfObject, describeProgram } from '@nsm/netlink';
import { SourceMaps, type Sources } from './source-maps.js';
import { word } from './tunnel-structures.js';

const object = fileURLToPath(new URL('../../bpf/source.bpf.o', import.meta.url));

export class SourceProgram {
  readonly #object: BpfObject;
  readonly #sources: SourceMaps;
  readonly #refused: BpfMap;
  /** Descriptor of the filter of a device, which tells its number by its class. */
  readonly filter: number;
  /** Descriptor of the filter of a TAP device, whose number is 0. */
  readonly tapFilter: number;
  /** Of `filter`. */
  readonly id: number;

  private constructor(loaded: BpfObject) {
    this.#object = loaded;
    this.#sources = new SourceMaps(loaded.map('mesh_sources'), loaded.map('mesh_prefixes'));
    this.#refused = loaded.map('refused_map');
    this.filter = loaded.program('mesh_source');
    this.tapFilter = loaded.program('mesh_source_tap');
    this.id = describeProgram(this.filter).id;
  }

  /** @throws NetlinkError, or Error when libbpf is not installed. */
  static load(): SourceProgram {
    return new SourceProgram(BpfObject.load(object));
  }

  /** Packets with that number must come from there. @throws NetlinkError */
  write(number: number, sources: Sources): void {
    if (this.#sources.write(number, sources))
      this.#refused.update(word(number), Buffer.alloc(this.#refused.valueSize));
  }

  delete(number: number): void {
    this.#sources.delete(number);
    this.#refused.delete(word(number));
  }

  /** Packets with that number that did not come from there. */
  refused(number: number): bigint {
    const counts = this.#refused.lookup(word(number));
    let sum = 0n;
    for (let offset = 0; counts && offset < counts.length; offset += this.#refused.stride)
      sum += counts.readBigUInt64LE(offset);
    return sum;
  }

  /** Filters that stand work on. */
  close(): void {
    this.#object.close();
  }
}
