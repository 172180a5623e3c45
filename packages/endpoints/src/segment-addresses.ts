// Addresses of one network segment: its own first, then one for each client, the same whenever it comes back.
import { createHash } from 'node:crypto';
import { NsmError } from '@nsm/api';
import { IpPrefix, whyNoDestination } from '@nsm/netlink';
import type { EndpointRequest } from '@nsm/sdk';

/** So many addresses of a large segment are given out, no more: an IPv6 one has no end. */
const most = 1n << 16n;

/** The addresses of one prefix. */
export class SegmentAddresses {
  /** That of the segment itself, with prefix length. */
  readonly own: string;
  readonly #network: IpPrefix;
  /** Clients that the segment has room for. */
  readonly size: number;
  /** Number of the address, from 0, → the connection that has it. */
  readonly #held = new Map<number, string>();

  /** @throws NsmError `invalid` for what is no prefix, or one with room for less than one client. */
  constructor(prefix: string) {
    const network = IpPrefix.parse(prefix)?.network;
    const why = network ? whyNoDestination(network) : 'is not an IP prefix';
    if (!network || why !== '')
      throw new NsmError('invalid', `prefix ${JSON.stringify(prefix)} ${why}; write one like 10.70.0.0/24`);
    this.#network = network;
    // The network's own, the segment's, and in IPv4 the one for broadcasts.
    const reserved = this.family === 4 ? 3n : 2n;
    const room = network.last - network.first + 1n - reserved;
    if (room < 1n) throw new NsmError('invalid', `${prefix} has no room for clients: make it larger`);
    this.size = Number(room < most ? room : most);
    this.own = String(network.at(1n));
  }

  get family(): 4 | 6 {
    return this.#network.version;
  }

  /** Address with prefix length; undefined when all are taken. */
  take(request: EndpointRequest): string | undefined {
    const key = keyOf(request);
    const wish = createHash('sha256').update(key).digest().readUInt32BE() % this.size;
    for (let step = 0; step < this.size; step++) {
      const number = (wish + step) % this.size;
      const holder = this.#held.get(number);
      if (holder !== undefined && holder !== key) continue;
      this.#held.set(number, key);
      return String(this.#network.at(BigInt(number) + 2n));
    }
    return undefined;
  }

  release(request: EndpointRequest): void {
    const key = keyOf(request);
    for (const [number, holder] of this.#held) if (holder === key) this.#held.delete(number);
  }
}

/** Whose an address is: the same when a client asks again. */
export function keyOf({ requestId, service }: EndpointRequest): string {
  return JSON.stringify([requestId, service]);
}
