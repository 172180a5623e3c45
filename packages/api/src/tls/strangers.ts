// Connections whose other end has not shown yet who it is: only few, for seconds, and at no cost to connections that have.
import type { Socket } from 'node:net';
import { Pace } from '../pace.js';

/** At the same time from one address, and from all. */
const most = { ofOne: 32, ofAll: 256 };
/** Handshakes that one address may begin at once, and each second thereafter: each costs the processor a millisecond. */
const handshakes = { atOnce: 128, perSecond: 40 };

interface Stranger {
  readonly socket: Socket;
  readonly group: string;
}

export class Strangers {
  /** In the order in which they came. */
  readonly #waiting = new Map<Socket, Stranger>();
  readonly #groups = new Map<string, number>();
  readonly #handshakes = new Pace(handshakes);

  /**
   * Takes a connection on until `known` is called or it closes. Where there are too many, the oldest of the address that has the most
   * is closed: whoever is quick to show who it is passes through a crowd of those that never do.
   * @returns false when the address begins handshakes too quickly: the connection is closed.
   */
  add(socket: Socket, address: string): boolean {
    const group = groupOf(address);
    if (!this.#handshakes.allows(group)) {
      socket.destroy();
      return false;
    }
    if (this.#count(group) >= most.ofOne) this.#endOldest(group);
    else if (this.#waiting.size >= most.ofAll) this.#endOldest(this.#fullest());
    this.#waiting.set(socket, { socket, group });
    this.#groups.set(group, this.#count(group) + 1);
    socket.once('close', () => this.known(socket));
    return true;
  }

  /** The other end has shown who it is, or the connection is over. Harmless when repeated. */
  known(socket: Socket): void {
    const stranger = this.#waiting.get(socket);
    if (!stranger) return;
    this.#waiting.delete(socket);
    const left = this.#count(stranger.group) - 1;
    if (left > 0) this.#groups.set(stranger.group, left);
    else this.#groups.delete(stranger.group);
  }

  destroy(): void {
    for (const { socket } of this.#waiting.values()) socket.destroy();
  }

  #count(group: string): number {
    return this.#groups.get(group) ?? 0;
  }

  #fullest(): string {
    let [fullest, count] = ['', 0];
    for (const [group, own] of this.#groups) if (own > count) [fullest, count] = [group, own];
    return fullest;
  }

  #endOldest(group: string): void {
    for (const stranger of this.#waiting.values())
      if (stranger.group === group) {
        this.known(stranger.socket);
        stranger.socket.destroy();
        return;
      }
  }
}

/** Of IPv6 a host has a whole network of 64 bits. */
function groupOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array<string>(Math.max(0, zeros)).fill('0'), ...back].slice(0, 4).join(':');
}
