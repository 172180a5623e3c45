// Connections that are not served: the first call over each hears why, by the status that gRPC has for it, and that is all that a
// connection costs: no session of HTTP/2 is made for it (RFC 9113), and of what it says only the beginnings of frames are read.
import type { Socket } from 'node:net';
import type { NsmError } from '../errors.js';
import { callRefusal, greeting, openedStream } from '../refusal-frames.js';

/**
 * How many refused connections may be open at the same time, to be told why. Beyond that the oldest is closed: a caller that asks
 * quickly hears the answer.
 */
export interface RefusedBounds {
  readonly ofOne: number;
  readonly ofAll: number;
}

/** Milliseconds for asking, and for hearing the answer. */
const patienceMs = 1000;
/** Bytes that may come before the first call: what a client settles, and its headers. */
const maxBytes = 64 << 10;

export class RefusedConnections {
  /** By connection whose it is, in the order in which they came. */
  readonly #open = new Map<Socket, string>();

  /** Tells the first call over a connection, and then ends it. */
  tell(socket: Socket, name: string, error: NsmError, { ofOne, ofAll }: RefusedBounds): void {
    const own = [...this.#open].filter(([, other]) => other === name).map(([one]) => one);
    if (own.length >= ofOne) own[0]?.destroy();
    else if (this.#open.size >= ofAll) [...this.#open.keys()][0]?.destroy();
    this.#open.set(socket, name);
    const end = setTimeout(() => socket.destroy(), patienceMs);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(end);
      this.#open.delete(socket);
    });
    socket.write(greeting);
    let heard = Buffer.alloc(0);
    let isAnswered = false;
    socket.on('data', (bytes: Buffer) => {
      if (isAnswered) return;
      heard = Buffer.concat([heard, bytes]);
      const stream = openedStream(heard);
      if (stream !== undefined) {
        isAnswered = true;
        // What comes after it is read and forgotten: a socket with unread data is closed as if it were broken.
        socket.end(callRefusal(stream, error));
      } else if (heard.length > maxBytes) socket.destroy();
    });
    socket.once('end', () => socket.destroy());
  }

  destroy(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }
}
