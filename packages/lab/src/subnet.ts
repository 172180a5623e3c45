// A prefix and the addresses in it: what the lab gives to nodes, pods and outside hosts.
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** An IPv4 or IPv6 prefix. Its hosts are numbered from 1. */
export class Subnet {
  readonly family: 4 | 6;
  /** Number of leading bits. */
  readonly length: number;
  readonly #network: bigint;
  readonly #bits: number;

  private constructor(family: 4 | 6, network: bigint, length: number) {
    this.family = family;
    this.length = length;
    this.#bits = family === 4 ? 32 : 128;
    this.#network = network;
  }

  /** Reads `172.30.0.0/24` or `fd00::/64`; undefined for anything else, also when bits are set after the prefix. */
  static parse(text: string): Subnet | undefined {
    const [address = '', digits = '', ...rest] = text.split('/');
    const family = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined;
    if (!family || rest.length > 0 || !/^\d{1,3}$/.test(digits)) return undefined;
    const length = Number(digits);
    const bits = family === 4 ? 32 : 128;
    if (length > bits) return undefined;
    const value = toNumber(address, family);
    if (value & ((1n << BigInt(bits - length)) - 1n)) return undefined;
    return new Subnet(family, value, length);
  }

  /** How many hosts it can number; at most 2^32. */
  get hosts(): number {
    const free = Math.min(this.#bits - this.length, 32);
    // Without the network's and the broadcast address, save on a point-to-point link (RFC 3021, RFC 6164).
    return free <= 1 ? 2 ** free : 2 ** free - 2;
  }

  /** The address of host `index`, from 1, without prefix length. @throws RangeError beyond the last host */
  host(index: number): string {
    if (index < 1 || index > this.hosts) throw new RangeError(`${this} has no host ${index}`);
    const first = this.#bits - this.length <= 1 ? 0n : 1n;
    return toText(this.#network + first + BigInt(index - 1), this.family);
  }

  contains(address: string): boolean {
    const family = `ipv${this.family}` as const;
    const list = new BlockList();
    list.addSubnet(toText(this.#network, this.family), this.length, family);
    return (this.family === 4 ? isIPv4(address) : isIPv6(address)) && list.check(address, family);
  }

  toString(): string {
    return `${toText(this.#network, this.family)}/${this.length}`;
  }
}

function toNumber(address: string, family: 4 | 6): bigint {
  const base = family === 4 ? 10 : 16;
  const width = family === 4 ? 8n : 16n;
  return words(address, family).reduce(
    (sum, word) => (sum << width) | BigInt(Number.parseInt(word, base)),
    0n,
  );
}

function words(address: string, family: 4 | 6): string[] {
  if (family === 4) return address.split('.');
  // The URL parser writes an embedded IPv4 tail as two words (WHATWG URL, IPv6 serializer).
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const before = head === '' ? [] : head;
  if (!tail) return [...before];
  return [...before, ...Array<string>(8 - before.length - tail.length).fill('0'), ...tail];
}

function toText(value: bigint, family: 4 | 6): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const hex = value.toString(16).padStart(32, '0').match(/.{4}/g) ?? [];
  return new URL(`http://[${hex.join(':')}]`).hostname.slice(1, -1);
}
