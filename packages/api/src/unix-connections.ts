// The connections that a server has on unix sockets: who is at the other end, and how many may be open.
import type { Socket } from 'node:net';
import { NsmError } from './errors.js';
import { descriptorsLeft, openFileLimit, openFiles } from './exhaustion.js';

/** Who is at the other end of a unix socket: SO_PEERCRED, unix(7). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Connections that are open at the same time, of all processes and of one: a client needs one. */
const maxOpen = 4096;
const maxPerProcess = 256;
/** The part of this process's descriptors that one other process may have. */
const ofDescriptors = 1 / 4;

/** When so few descriptors are left, a new connection gets no other answer than that. */
const descriptorsKept = 16;
/** Connections that are open to get this answer, one of each process, and milliseconds within which they must ask for it. */
const refusedAtOnce = 8;
const refusedForMs = 1000;

interface UnixConnection {
  readonly socket: Socket;
  readonly peer: PeerCredentials | undefined;
  /** What every call over it is answered. */
  readonly refusal: NsmError | undefined;
}

/** By the token that stands for each in its calls. */
export class UnixConnections {
  readonly #open = new Map<string, UnixConnection>();
  #last = 0;

  /**
   * Takes a connection on until it is closed.
   * @param peer undefined where nobody asked.
   * @throws NsmError `overload` or `exhausted` when there is no room for it, not even to say so over it.
   */
  add(socket: Socket, peer: PeerCredentials | undefined): string {
    if (this.#isTooMuch(peer)) throw new NsmError('overload', 'too many connections');
    const refusal = this.#shortage(peer);
    const token = `unix:${++this.#last}`;
    this.#open.set(token, { socket, peer, refusal });
    socket.once('close', () => this.#open.delete(token));
    if (refusal) endSoon(socket);
    return token;
  }

  /** False for what is no connection of a unix socket. */
  has(token: string): boolean {
    return this.#open.has(token);
  }

  peerOf(token: string): PeerCredentials | undefined {
    return this.#open.get(token)?.peer;
  }

  /** @throws NsmError what calls over this connection are refused with */
  admit(token: string): void {
    const { refusal } = this.#open.get(token) ?? {};
    if (refusal) throw refusal;
  }

  destroy(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  /** Descriptors are for all: neither one process nor all together may take them away. */
  #isTooMuch(peer: PeerCredentials | undefined): boolean {
    const most = Math.min(maxPerProcess, Math.floor(openFileLimit() * ofDescriptors));
    if (this.#open.size < most) return false;
    const own = [...this.#open.values()].filter((other) => other.peer && other.peer.pid === peer?.pid);
    return own.length >= most || this.#open.size >= maxOpen;
  }

  /** Why a new connection cannot be served. @throws NsmError `exhausted` when it cannot even be told */
  #shortage(peer: PeerCredentials | undefined): NsmError | undefined {
    if (descriptorsLeft() >= descriptorsKept) return undefined;
    const error = new NsmError('exhausted', `no more connections can be served: ${openFiles()}`);
    const refused = [...this.#open.values()].filter(({ refusal }) => refusal);
    if (refused.length >= refusedAtOnce || refused.some((other) => other.peer?.pid === peer?.pid))
      throw error;
    return error;
  }
}

function endSoon(socket: Socket): void {
  const end = setTimeout(() => socket.destroy(), refusedForMs);
  socket.once('close', () => clearTimeout(end));
}
