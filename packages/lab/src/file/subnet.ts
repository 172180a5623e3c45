// A prefix and the addresses in it: what the lab gives to nodes, pods and outside hosts.
import { IpPrefix } from '@nsm/netlink/ip-prefix';

/** An IPv4 or IPv6 prefix. Its hosts are numbered from 1. */
export class Subnet {
  readonly #network: IpPrefix;

  private constructor(network: IpPrefix) {
    this.#network = network;
  }

  /** Reads `172.30.0.0/24` or `fd00::/64`; undefined for anything else, also when bits are set after the prefix. */
  static parse(text: string): Subnet | undefined {
    const prefix = text.includes('/') ? IpPrefix.parse(text) : undefined;
    return prefix && prefix.value === prefix.first ? new Subnet(prefix) : undefined;
  }

  get family(): 4 | 6 {
    return this.#network.version;
  }

  /** Number of leading bits. */
  get length(): number {
    return this.#network.length;
  }

  /** How many hosts it can number; at most 2^32. */
  get hosts(): number {
    const free = Math.min(this.#network.bits - this.length, 32);
    // Without the network's and the broadcast address, save on a point-to-point link (RFC 3021, RFC 6164).
    return free <= 1 ? 2 ** free : 2 ** free - 2;
  }

  /** The address of host `index`, from 1, without prefix length. @throws RangeError beyond the last host */
  host(index: number): string {
    if (index < 1 || index > this.hosts) throw new RangeError(`${this} has no host ${index}`);
    const first = this.#network.bits - this.length <= 1 ? 0n : 1n;
    return this.#network.at(first + BigInt(index - 1)).address;
  }

  contains(text: string): boolean {
    const address = IpPrefix.parseAddress(text);
    return address !== undefined && this.#network.contains(address);
  }

  toString(): string {
    return String(this.#network);
  }
}
