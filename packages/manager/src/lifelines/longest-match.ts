// Which of many prefixes a packet to an address follows: the longest that holds it, as the kernel chooses among routes.
import type { IpPrefix } from '@nsm/netlink';

export class LongestMatch<Value> {
  /** By version and length, the longest first. */
  #tables: { readonly version: 4 | 6; readonly length: number; readonly byFirst: Map<bigint, Value> }[] = [];

  /** Of two values for one prefix the first stays. */
  add({ version, length, first }: IpPrefix, value: Value): void {
    let table = this.#tables.find((other) => other.version === version && other.length === length);
    if (!table) {
      table = { version, length, byFirst: new Map() };
      this.#tables = [...this.#tables, table].toSorted((a, b) => b.length - a.length);
    }
    if (!table.byFirst.has(first)) table.byFirst.set(first, value);
  }

  /** @param address a prefix of one address. */
  find(address: IpPrefix): { readonly length: number; readonly value: Value } | undefined {
    const bits = address.version === 4 ? 32 : 128;
    for (const { version, length, byFirst } of this.#tables) {
      if (version !== address.version) continue;
      const below = BigInt(bits - length);
      const network = (address.first >> below) << below;
      const value = byFirst.get(network);
      if (value !== undefined) return { length, value };
    }
    return undefined;
  }
}
