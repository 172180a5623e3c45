// One endpoint's unix socket, whatever number of network services it provides: called, watched over, and missed when it dies.
import { Channel, endpoint as ep, NsmError, type PeerCredentials, type ServiceClient } from '@nsm/api';
import { listenerOf } from './socket-listener.js';

/** Milliseconds within which an endpoint must accept a connection on its socket. */
export const reachTimeoutMs = 2000;
/** Milliseconds for which a lost endpoint is called again before the owner of its socket is looked at. */
const lookAgainAfterMs = 250;

export class EndpointSocket {
  readonly path: string;
  /** Process that listens on the socket. */
  readonly listener: PeerCredentials;
  /** Keys of the network services that are provided by this socket. */
  readonly services: Set<string> = new Set();
  readonly client: ServiceClient<typeof ep.EndpointConnection>;
  readonly #channel: Channel;
  readonly #stop = new AbortController();

  /** @param onDead called once, when no process listens any more, with the reason. */
  constructor(path: string, listener: PeerCredentials, onDead: (reason: string) => void) {
    this.path = path;
    this.listener = listener;
    this.#channel = new Channel(`unix:${path}`);
    this.client = this.#channel.client(ep.EndpointConnection);
    this.#watch().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) onDead(`it died: ${NsmError.from(error).message}`);
    });
  }

  close(): void {
    this.#stop.abort();
    this.#channel.close();
  }

  /** Holds a connection to the socket: when the connection breaks and no process listens any more, the endpoint is dead. */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    for (let answeredAt = performance.now(); ; ) {
      const answered = await this.#channel.lost(lookAgainAfterMs, signal).then(
        () => true,
        () => false,
      );
      signal.throwIfAborted();
      const looked = await listenerOf(this.path, reachTimeoutMs).catch((thrown: unknown) => {
        if (!isExhausted(thrown)) throw thrown;
      });
      // That this manager cannot look says nothing of the endpoint.
      if (answered || !looked) answeredAt = performance.now();
      else if (performance.now() - answeredAt > reachTimeoutMs)
        throw new Error('it accepts connections but does not speak gRPC');
    }
  }
}

/** For want of something of this process's own. */
export function isExhausted(thrown: unknown): boolean {
  return NsmError.from(thrown).kind === 'exhausted';
}
