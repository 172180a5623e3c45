// How much the endpoints of a pod send: frames of HTTP/2 that mean nothing, such as WINDOW_UPDATE, cost this process time and end
// nowhere, so that no bound of calls or replies ends them.
import type { Socket } from 'node:net';
import { NsmError, type PeerCredentials } from '@nsm/api';
import { identityOf } from '../state/namespace-identity.js';

/** Milliseconds between two looks, and bytes of one pod meanwhile: a reply has 2 MiB at most, and hardly any has 1 KiB. */
const lookEveryMs = 500;
const mostBytes = 8 << 20;
/** Milliseconds for which the endpoints of a pod that sent more are not called. */
const restMs = 10_000;

interface Watched {
  readonly pod: string;
  readonly onFlood: (reason: string) => void;
  counted: number;
}

export class EndpointFloods {
  readonly #watched = new Map<Socket, Watched>();
  /** By pod: until when it is left alone, monotonic milliseconds. */
  readonly #resting = new Map<string, number>();
  #looking: NodeJS.Timeout | undefined;

  /** @throws NsmError `endpoint-unreachable` for a while after the pod has sent too much. */
  admit({ namespace }: PeerCredentials): void {
    const until = this.#resting.get(identityOf(namespace) ?? '') ?? 0;
    if (until > performance.now()) throw new NsmError('endpoint-unreachable', tooMuch);
  }

  /** Until the connection ends. @param onFlood called once, when its pod sends too much; the connection is destroyed. */
  watch(socket: Socket, { namespace }: PeerCredentials, onFlood: (reason: string) => void): void {
    this.#watched.set(socket, { pod: identityOf(namespace) ?? '', onFlood, counted: socket.bytesRead });
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
      onFlood(tooMuch);
    }
  }
}

const tooMuch = `its pod's endpoints sent more than ${mostBytes >> 20} MiB in ${lookEveryMs} ms, and are left alone for ${restMs / 1000} s`;
