// Gives out point-to-point address pairs from the prefixes of network services, no pair twice in the whole mesh.
import { createHash } from 'node:crypto';
import { abbreviatedList, NsmError } from '@nsm/api';
import { IpPrefix } from '@nsm/netlink';
import type { Registry } from '@nsm/registry';

export interface AddressPair {
  /** With prefix length, 31 or 127: RFC 3021, RFC 6164. */
  readonly client: string;
  readonly endpoint: string;
  /** The pair's own prefix, by which it is released. */
  readonly prefix: string;
}

/** A prefix that pairs are taken from. */
interface Pool {
  readonly prefix: IpPrefix;
  readonly name: string;
  /** Parts of it that this manager has claimed for itself, by their first address. */
  readonly blocks: Map<bigint, Block>;
  /** Resolves when the block that is being claimed is there, or cannot be had. */
  claiming?: Promise<void>;
}

/** A part of a prefix that this manager has claimed for itself. */
interface Block {
  /** The lowest address that may be given. */
  readonly first: bigint;
  readonly pairs: number;
  /** Pairs that are not given now. */
  free: number;
  /** The pair at which the search goes on, so that an address just released rests the longest. */
  cursor: number;
}

const nothing = (): void => undefined;

/** Blocks of this many bits: 128 pairs, so that a manager rarely has to claim and 256 managers share a /16. */
const blockBits = 8;

export class AddressPools {
  readonly #registry: Pick<Registry, 'claim'>;
  readonly #holder: string;
  /** By prefix, and what is done when the pair is given back. */
  readonly #taken = new Map<string, () => void>();
  /** The same pairs as numbers, see `keyOf`. */
  readonly #takenKeys = new Set<bigint>();
  readonly #byText = new Map<string, Pool>();
  readonly #byName = new Map<string, Pool>();
  /** All blocks by their size in bits and then by where they begin: prefixes may overlap, so a pair can be in several. */
  readonly #blocks = new Map<number, Map<bigint, Block[]>>();

  /** @param holder name of this manager, under which blocks are claimed in the registry. */
  constructor(registry: Pick<Registry, 'claim'>, holder: string) {
    this.#registry = registry;
    this.#holder = holder;
  }

  /** Marks a pair as given; used when connections are found again after a restart. @param onRelease as of `take`. */
  restore(pair: string, onRelease: () => void = nothing): void {
    if (this.#taken.has(pair)) onRelease();
    else this.#give(pair, IpPrefix.of(pair), onRelease);
  }

  release(pair: string): void {
    const onRelease = this.#taken.get(pair);
    if (!onRelease) return;
    this.#taken.delete(pair);
    onRelease();
    const { version, first } = IpPrefix.of(pair);
    if (this.#takenKeys.delete(keyOf(version, first))) this.#count(version, first, 1);
  }

  has(prefixText: string): boolean {
    return this.#taken.has(prefixText);
  }

  get size(): number {
    return this.#taken.size;
  }

  /**
   * Takes one pair from a prefix.
   * @param excluded prefixes from which no address may come; default routes exclude nothing.
   * @param onRelease called when the pair is given back.
   * @throws NsmError `no-address` when every pair is taken or excluded, `registry` when no block can be claimed.
   */
  async take(
    prefixText: string,
    excluded: readonly IpPrefix[],
    onRelease: () => void = nothing,
  ): Promise<AddressPair> {
    const pool = this.#pool(prefixText);
    const obstacles = excluded.filter((other) => this.#isInTheWay(other, pool.prefix));
    for (;;) {
      for (const block of pool.blocks.values()) {
        const pair = this.#takeFrom(block, pool.prefix, obstacles, onRelease);
        if (pair) return pair;
      }
      // Who comes while a block is being claimed takes from that: each would claim one of its own, until others find none.
      if (pool.claiming) await pool.claiming;
      else if (!(await this.#claimAlone(pool, obstacles))) break;
    }
    throw noneLeft(pool, obstacles);
  }

  /** @returns false when there is none for these obstacles. @throws NsmError `registry` */
  async #claimAlone(pool: Pool, obstacles: readonly IpPrefix[]): Promise<boolean> {
    const claimed = this.#claimBlock(pool, obstacles);
    pool.claiming = claimed.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await claimed;
    } catch (thrown) {
      const { kind, message } = NsmError.from(thrown);
      if (kind !== 'registry') throw thrown;
      throw new NsmError(
        kind,
        `this manager has no free addresses of ${pool.name} and cannot claim any: ${message}; try again when it is back`,
        thrown,
      );
    } finally {
      delete pool.claiming;
    }
  }

  #pool(text: string): Pool {
    const known = this.#byText.get(text);
    if (known) return known;
    const prefix = IpPrefix.of(text).network;
    const name = String(prefix);
    const pool = this.#byName.get(name) ?? { prefix, name, blocks: new Map<bigint, Block>() };
    this.#byName.set(name, pool);
    this.#byText.set(text, pool);
    return pool;
  }

  /** Address pairs of this manager, of which an endpoint's pod has thousands, are known to be taken already. */
  #isInTheWay(other: IpPrefix, prefix: IpPrefix): boolean {
    if (other.length === 0 || other.version !== prefix.version) return false;
    const { version, first, length, bits } = other;
    if (length === bits - 1 && this.#takenKeys.has(keyOf(version, first))) return false;
    return other.overlaps(prefix);
  }

  /**
   * The pair that `take` would give now, without taking it; undefined where a block would have to be claimed first.
   * @throws NsmError `no-address` where `take` would claim none either.
   */
  next(prefixText: string, excluded: readonly IpPrefix[]): AddressPair | undefined {
    const pool = this.#pool(prefixText);
    const obstacles = excluded.filter((other) => this.#isInTheWay(other, pool.prefix));
    for (const block of pool.blocks.values()) {
      const found = this.#findIn(block, pool.prefix, obstacles);
      if (found) return pairOf(found.pair);
    }
    if (this.#claimable(pool, obstacles).next().done) throw noneLeft(pool, obstacles);
    return undefined;
  }

  #takeFrom(
    block: Block,
    prefix: IpPrefix,
    obstacles: readonly IpPrefix[],
    onRelease: () => void,
  ): AddressPair | undefined {
    const found = this.#findIn(block, prefix, obstacles);
    if (!found) return undefined;
    block.cursor = found.cursor;
    const pair = pairOf(found.pair);
    this.#give(pair.prefix, found.pair, onRelease);
    return pair;
  }

  /** @returns the next free pair of a block, and where the search for the one after it begins. */
  #findIn(
    block: Block,
    { version, bits }: IpPrefix,
    obstacles: readonly IpPrefix[],
  ): { readonly pair: IpPrefix; readonly cursor: number } | undefined {
    if (block.free === 0) return undefined;
    const end = block.first + 2n * BigInt(block.pairs) - 1n;
    let { cursor } = block;
    for (let tries = 0; tries < block.pairs; tries++) {
      const low = block.first + 2n * BigInt(cursor % block.pairs);
      cursor++;
      if (this.#takenKeys.has(keyOf(version, low))) continue;
      const pair = new IpPrefix(version, low, bits - 1);
      const obstacle = obstacles.find((other) => other.overlaps(pair));
      if (!obstacle) return { pair, cursor };
      // A long prefix in the way is passed in one stride.
      const stride = Number((minimum(obstacle.last, end) - low) / 2n);
      cursor += stride;
      tries += stride;
    }
    return undefined;
  }

  #give(text: string, { version, first, length, bits }: IpPrefix, onRelease: () => void): void {
    this.#taken.set(text, onRelease);
    const key = keyOf(version, first);
    if (length !== bits - 1 || this.#takenKeys.has(key)) return;
    this.#takenKeys.add(key);
    this.#count(version, first, -1);
  }

  #count(version: 4 | 6, low: bigint, by: 1 | -1): void {
    for (const [bits, blocks] of this.#blocks) {
      for (const block of blocks.get(blockKey(version, low, bits)) ?? []) {
        const offset = low - block.first;
        if (offset >= 0n && offset < 2n * BigInt(block.pairs)) block.free += by;
      }
    }
  }

  /** @returns false when there is none. */
  async #claimBlock(pool: Pool, obstacles: readonly IpPrefix[]): Promise<boolean> {
    const { name, prefix, blocks } = pool;
    for (const range of this.#claimable(pool, obstacles)) {
      const holder = await this.#registry.claim(claimName(name, String(range)), this.#holder);
      if (holder !== this.#holder) continue;
      blocks.set(range.first, this.#blockOf(range, prefix));
      return true;
    }
    return false;
  }

  /** Blocks to try for, each manager in an order of its own; those that are in the way as a whole are left to others. */
  *#claimable({ prefix, blocks }: Pool, obstacles: readonly IpPrefix[]): Generator<IpPrefix> {
    const { version, bits } = prefix;
    // Small prefixes are cut into at most 16 parts, of at least one pair.
    const length = Math.min(Math.max(bits - blockBits, Math.min(prefix.length + 4, bits - 1)), bits - 1);
    const blockLength = Math.max(length, prefix.length);
    const size = 1n << BigInt(bits - blockLength);
    const count = (prefix.last - prefix.first + 1n) / size || 1n;
    const start = BigInt(`0x${createHash('sha256').update(this.#holder).digest('hex').slice(0, 15)}`) % count;
    const attempts = minimum(count, 4096n);
    for (let step = 0n; step < attempts; step++) {
      const first = prefix.first + ((start + step) % count) * size;
      if (blocks.has(first)) continue;
      const range = new IpPrefix(version, first, blockLength);
      if (obstacles.some((other) => other.first <= range.first && range.last <= other.last)) continue;
      yield range;
    }
  }

  #blockOf(range: IpPrefix, prefix: IpPrefix): Block {
    const { version } = prefix;
    // Much software takes the lowest and the highest address of a large IPv4 prefix for a network and a broadcast.
    const suspect = version === 4 && prefix.length <= 24;
    const first = suspect && range.first === prefix.first ? range.first + 2n : range.first;
    const last = suspect && range.last === prefix.last ? range.last - 2n : range.last;
    const block: Block = { first, pairs: Number((last - first + 1n) / 2n), free: 0, cursor: 0 };
    for (let pair = 0; pair < block.pairs; pair++)
      if (!this.#takenKeys.has(keyOf(version, first + 2n * BigInt(pair)))) block.free++;
    const bits = range.bits - range.length;
    const ofSize = this.#blocks.get(bits) ?? new Map<bigint, Block[]>();
    this.#blocks.set(bits, ofSize);
    const key = blockKey(version, range.first, bits);
    ofSize.set(key, [...(ofSize.get(key) ?? []), block]);
    return block;
  }
}

function noneLeft({ name, blocks }: Pool, obstacles: readonly IpPrefix[]): NsmError {
  if (obstacles.length > 0 && (blocks.size === 0 || [...blocks.values()].some(({ free }) => free > 0))) {
    const routes = abbreviatedList(obstacles.map(String));
    return new NsmError(
      'no-address',
      `the client's or the endpoint's pod routes ${routes}, which leaves no address pair in ${name}; ` +
        'give the network service another --prefix, or remove the route',
    );
  }
  return new NsmError(
    'no-address',
    `no address pair is left in ${name}; close connections, or give the network service a larger --prefix`,
  );
}

function pairOf(pair: IpPrefix): AddressPair {
  const endpoint = String(pair);
  return { endpoint, client: String(pair.at(1n)), prefix: endpoint };
}

/** An address as one number whatever its version: cheaper than its text. */
function keyOf(version: 4 | 6, address: bigint): bigint {
  return version === 4 ? -1n - address : address;
}

function blockKey(version: 4 | 6, address: bigint, bits: number): bigint {
  return keyOf(version, (address >> BigInt(bits)) << BigInt(bits));
}

/** Claims are named like records: without a slash. */
function claimName(prefix: string, block: string): string {
  return `addresses:${prefix}:${block}`.replaceAll('/', '_');
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
