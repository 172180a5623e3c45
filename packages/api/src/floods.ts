// How much pods send, as callers and as endpoints: frames of HTTP/2 that mean nothing, such as WINDOW_UPDATE, cost this process time and
// end nowhere, so that no bound of calls or replies ends them.
import type { Socket } from 'node:net';
import { NsmError } from './errors.js';

/** Milliseconds between two looks, and bytes of one pod meanwhile: as many may be under way of its calls at once. */
const lookEveryMs = 500;
const mostBytes = 32 << 20;
/** Milliseconds for which a pod that sent more is left alone. */
const restMs = 10_000;

interface Watched {
  readonly pod: string;
  readonly onFlood: (error: NsmError) => void;
  counted: number;
}

export class Floods {
  readonly #watched = new Map<Socket, Watched>();
  /** By pod: until when it is left alone, monotonic milliseconds. */
  readonly #resting = new Map<string, number>();
  #looking: NodeJS.Timeout | undefined;

  /** @throws NsmError `overload` for a while after the pod has sent too much. */
  admit(pod: string): void {
    if ((this.#resting.get(pod) ?? 0) > performance.now()) throw tooMuch(pod);
  }

  /** Until the connection ends. @param onFlood called once, when its pod sends too much; the connection is destroyed. */
  watch(socket: Socket, pod: string, onFlood: (error: NsmError) => void): void {
    this.#watched.set(socket, { pod, onFlood, counted: socket.bytesRead });
    this.#looking ??= setInterval(() => this.#look(), lookEveryMs).unref();
    socket.once('close', () => {
      this.#watched.delete(socket);
      if (this.#watched.size > 0) return;
      clearInterval(this.#looking);
      this.#looking = undefined;
    });
  }

  #look(): void {
    const now = performance.now();
    for (const [pod, until] of this.#resting) if (until <= now) this.#resting.delete(pod);
    const sent = new Map<string, number>();
    for (const [{ bytesRead }, watched] of this.#watched) {
      sent.set(watched.pod, (sent.get(watched.pod) ?? 0) + bytesRead - watched.counted);
      watched.counted = bytesRead;
    }
    for (const [socket, { pod, onFlood }] of this.#watched) {
      if ((sent.get(pod) ?? 0) <= mostBytes) continue;
      this.#resting.set(pod, now + restMs);
      socket.destroy();
      onFlood(tooMuch(pod));
    }
  }
}

function tooMuch(pod: string): NsmError {
  return new NsmError(
    'overload',
    `${pod} sent more than ${mostBytes >> 20} MiB in ${lookEveryMs} ms, and is left alone for ${restMs / 1000} s`,
  );
}
