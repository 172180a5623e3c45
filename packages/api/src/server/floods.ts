// How much pods send, as callers and as endpoints: frames of HTTP/2 that mean nothing, such as WINDOW_UPDATE, cost this process time and
// end nowhere, so that no bound of calls or replies ends them.
import type { Socket } from 'node:net';
import { NsmError } from '../errors.js';

/** Milliseconds between two looks, and bytes that one pod may send meanwhile, on and on. */
const lookEveryMs = 500;
const paceBytes = 32 << 20;
/** Bytes beyond that pace, at once or little by little: some calls of the largest size that others than managers try to send. */
const mostBytes = 128 << 20;
/** Milliseconds for which a pod that sent more is left alone. */
const restMs = 10_000;

interface Watched {
  readonly pod: string;
  readonly onFlood: (error: NsmError) => void;
  counted: number;
}

export class Floods {
  readonly #watched = new Map<Socket, Watched>();
  /** By pod: bytes beyond its pace. */
  readonly #ahead = new Map<string, number>();
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
      this.#count(socket);
      this.#watched.delete(socket);
    });
  }

  /** Adds what has come since the last count. */
  #count(socket: Socket): void {
    const watched = this.#watched.get(socket);
    if (!watched) return;
    const { bytesRead } = socket;
    const ahead = (this.#ahead.get(watched.pod) ?? 0) + bytesRead - watched.counted;
    if (ahead > 0) this.#ahead.set(watched.pod, ahead);
    watched.counted = bytesRead;
  }

  #look(): void {
    const now = performance.now();
    for (const [pod, until] of this.#resting) if (until <= now) this.#resting.delete(pod);
    for (const socket of this.#watched.keys()) this.#count(socket);
    const flooding = new Set<string>();
    for (const [pod, bytes] of this.#ahead) {
      if (bytes > mostBytes) flooding.add(pod);
      if (bytes > mostBytes || bytes <= paceBytes) this.#ahead.delete(pod);
      else this.#ahead.set(pod, bytes - paceBytes);
    }
    for (const [socket, { pod, onFlood }] of this.#watched) {
      if (!flooding.has(pod)) continue;
      socket.destroy();
      onFlood(tooMuch(pod));
    }
    for (const pod of flooding) this.#resting.set(pod, now + restMs);
    if (this.#watched.size > 0 || this.#ahead.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

function tooMuch(pod: string): NsmError {
  return new NsmError(
    'overload',
    `${pod} sent ${mostBytes >> 20} MiB more than the ${((paceBytes / lookEveryMs) * 1000) >> 20} MiB a second that a pod may send, and is left alone for ${restMs / 1000} s`,
  );
}
