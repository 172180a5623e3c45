// Gives out point-to-point address pairs from the prefixes of network services, no pair twice in the whole mesh.
import { createHash } from 'node:crypto';
import { NsmError } from '@nsm/api';
import type { Registry } from '@nsm/registry';
import { formatAddress, formatPrefix, overlaps, type Prefix, parsePrefix } from './prefix.js';

export interface AddressPair {
  /** With prefix length, 31 or 127: RFC 3021, RFC 6164. */
  readonly client: string;
  readonly endpoint: string;
  /** The pair's own prefix, by which it is released. */
  readonly prefix: string;
}

/** A part of a prefix that this manager has claimed for itself. */
interface Block {
  readonly range: Prefix;
  /** Pairs tried so far; the search goes on from here, so that an address just released rests the longest. */
  cursor: bigint;
}

/** Blocks of this many bits: 128 pairs, so that a manager rarely has to claim and 256 managers share a /16. */
const blockBits = 8;

export class AddressPools {
  readonly #registry: Pick<Registry, 'claim'>;
  readonly #holder: string;
  readonly #taken = new Set<string>();
  readonly #blocks = new Map<string, Block[]>();

  /** @param holder name of this manager, under which blocks are claimed in the registry. */
  constructor(registry: Pick<Registry, 'claim'>, holder: string) {
    this.#registry = registry;
    this.#holder = holder;
  }

  /** Marks a pair as given; used when connections are found again after a restart. */
  restore(pair: string): void {
    this.#taken.add(pair);
  }

  release(pair: string): void {
    this.#taken.delete(pair);
  }

  /** Number of pairs given out. */
  get size(): number {
    return this.#taken.size;
  }

  /**
   * Takes one pair from a prefix.
   * @param excluded prefixes from which no address may come; default routes exclude nothing.
   * @throws NsmError `no-address` when every pair is taken or excluded, `registry` when no block can be claimed.
   */
  async take(prefixText: string, excluded: readonly Prefix[]): Promise<AddressPair> {
    const prefix = parsePrefix(prefixText);
    const obstacles = excluded.filter((other) => other.length > 0 && overlaps(other, prefix));
    const name = formatPrefix(prefix);
    const blocks = this.#blocks.get(name) ?? [];
    this.#blocks.set(name, blocks);
    for (const block of blocks) {
      const pair = this.#takeFrom(block, prefix, obstacles);
      if (pair) return pair;
    }
    for await (const block of this.#claimBlocks(name, prefix, blocks)) {
      const pair = this.#takeFrom(block, prefix, obstacles);
      if (pair) return pair;
    }
    throw new NsmError(
      'no-address',
      `no address pair is left in ${name}; close connections, or give the network service a larger --prefix`,
    );
  }

  #takeFrom(block: Block, prefix: Prefix, obstacles: readonly Prefix[]): AddressPair | undefined {
    const { first, last } = block.range;
    const pairs = (last - first + 1n) / 2n;
    const bits = prefix.version === 4 ? 32 : 128;
    for (let tries = 0n; tries < pairs; tries++) {
      const low = first + 2n * (block.cursor % pairs);
      block.cursor++;
      // Much software takes the lowest and the highest address of a large IPv4 prefix for a network and a broadcast.
      const suspect = prefix.version === 4 && prefix.length <= 24;
      if (suspect && (low === prefix.first || low + 1n === prefix.last)) continue;
      const candidate: Prefix = { version: prefix.version, first: low, last: low + 1n, length: bits - 1 };
      const obstacle = obstacles.find((other) => overlaps(other, candidate));
      if (obstacle) {
        // A long prefix in the way is passed in one stride.
        const stride = (minimum(obstacle.last, last) - low) / 2n;
        block.cursor += stride;
        tries += stride;
        continue;
      }
      const text = formatPrefix(candidate);
      if (this.#taken.has(text)) continue;
      this.#taken.add(text);
      return {
        endpoint: `${formatAddress(prefix.version, low)}/${bits - 1}`,
        client: `${formatAddress(prefix.version, low + 1n)}/${bits - 1}`,
        prefix: text,
      };
    }
    return undefined;
  }

  async *#claimBlocks(name: string, prefix: Prefix, mine: Block[]): AsyncGenerator<Block> {
    const bits = prefix.version === 4 ? 32 : 128;
    // Small prefixes are cut into at most 16 parts, of at least one pair.
    const length = Math.min(Math.max(bits - blockBits, Math.min(prefix.length + 4, bits - 1)), bits - 1);
    const blockLength = Math.max(length, prefix.length);
    const size = 1n << BigInt(bits - blockLength);
    const count = (prefix.last - prefix.first + 1n) / size || 1n;
    const start = BigInt(`0x${createHash('sha256').update(this.#holder).digest('hex').slice(0, 15)}`) % count;
    const attempts = minimum(count, 4096n);
    for (let step = 0n; step < attempts; step++) {
      const first = prefix.first + ((start + step) % count) * size;
      if (mine.some(({ range }) => range.first === first)) continue;
      const range: Prefix = {
        version: prefix.version,
        first,
        last: minimum(first + size - 1n, prefix.last),
        length: blockLength,
      };
      const holder = await this.#registry.claim(claimName(name, formatPrefix(range)), this.#holder);
      if (holder !== this.#holder || mine.some((block) => block.range.first === first)) continue;
      const block: Block = { range, cursor: 0n };
      mine.push(block);
      yield block;
    }
  }
}

/** Claims are named like records: without a slash. */
function claimName(prefix: string, block: string): string {
  return `addresses:${prefix}:${block}`.replaceAll('/', '_');
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
