// Addresses of one network segment: its own first, then one for each client, the same whenever it comes back.
import { createHash } from 'node:crypto';
import { NsmError } from '@nsm/api';
import { formatIp, parsePrefix } from '@nsm/netlink';
import type { EndpointRequest } from '@nsm/sdk';

/** So many addresses of a large segment are given out, no more: an IPv6 one has no end. */
const most = 1n << 16n;

/** The addresses of one prefix. */
export class SegmentAddresses {
  readonly family: 4 | 6;
  /** That of the segment itself, with prefix length. */
  readonly own: string;
  readonly #base: bigint;
  readonly #bits: number;
  readonly #length: number;
  /** Clients that the segment has room for. */
  readonly size: number;
  /** Number of the address, from 0, → the connection that has it. */
  readonly #held = new Map<number, string>();

  /** @throws NsmError `invalid` for what is no prefix, or one with room for less than one client. */
  constructor(prefix: string) {
    const { bytes, length } = parsePrefix(prefix);
    this.#bits = 8 * bytes.length;
    this.family = this.#bits === 32 ? 4 : 6;
    this.#length = length;
    const host = BigInt(this.#bits - length);
    const whole = BigInt(`0x${bytes.toString('hex')}`);
    this.#base = (whole >> host) << host;
    // The network's own, the segment's, and in IPv4 the one for broadcasts.
    const reserved = this.family === 4 ? 3n : 2n;
    const room = (1n << host) - reserved;
    if (room < 1n) throw new NsmError('invalid', `${prefix} has no room for clients: make it larger`);
    this.size = Number(room < most ? room : most);
    this.own = this.#at(1n);
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
      return this.#at(BigInt(number) + 2n);
    }
    return undefined;
  }

  release(request: EndpointRequest): void {
    const key = keyOf(request);
    for (const [number, holder] of this.#held) if (holder === key) this.#held.delete(number);
  }

  #at(offset: bigint): string {
    const hex = (this.#base + offset).toString(16).padStart(this.#bits / 4, '0');
    return `${formatIp(Buffer.from(hex, 'hex'))}/${this.#length}`;
  }
}

function keyOf({ requestId, service }: EndpointRequest): string {
  return JSON.stringify([requestId, service]);
}
