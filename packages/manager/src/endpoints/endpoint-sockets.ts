// The sockets of this node's endpoints: each is open once, for as long as an endpoint is served from it.
import { Floods, type PeerCredentials } from '@nsm/api';
import { EndpointSocket } from './endpoint-socket.js';
import { isSameProcess } from './socket-listener.js';

export class EndpointSockets {
  readonly #onDead: (socket: EndpointSocket, keys: readonly string[], reason: string) => void;
  readonly #floods = new Floods();
  /** Keys of the endpoints that are served from each. */
  readonly #served = new Map<EndpointSocket, Set<string>>();
  /** The socket that was opened last, by path. */
  readonly #newest = new Map<string, EndpointSocket>();

  /** @param onDead hears of a socket whose process has gone, and which endpoints are served from it. */
  constructor(onDead: (socket: EndpointSocket, keys: readonly string[], reason: string) => void) {
    this.#onDead = onDead;
  }

  find(path: string, listener: PeerCredentials): EndpointSocket | undefined {
    const newest = this.#newest.get(path);
    return newest && isSameProcess(newest.listener, listener) ? newest : undefined;
  }

  /** From now on an endpoint is served from the socket of a process. Another process on the same path has another socket. */
  join(key: string, path: string, listener: PeerCredentials): EndpointSocket {
    const socket = this.find(path, listener) ?? this.#open(path, listener);
    this.#served.get(socket)?.add(key);
    return socket;
  }

  /** Ends that an endpoint is served from a socket; a socket without endpoints is closed. */
  leave(key: string, socket: EndpointSocket): void {
    const keys = this.#served.get(socket);
    keys?.delete(key);
    if (!keys || keys.size > 0) return;
    socket.close();
    this.#served.delete(socket);
    this.#forget(socket);
  }

  close(): void {
    for (const socket of this.#served.keys()) socket.close();
    this.#served.clear();
    this.#newest.clear();
  }

  #open(path: string, listener: PeerCredentials): EndpointSocket {
    const socket: EndpointSocket = new EndpointSocket(path, listener, this.#floods, (reason) => {
      // What is advertised from now on is looked for anew.
      this.#forget(socket);
      this.#onDead(socket, [...(this.#served.get(socket) ?? [])], reason);
    });
    this.#served.set(socket, new Set());
    this.#newest.set(path, socket);
    return socket;
  }

  #forget(socket: EndpointSocket): void {
    if (this.#newest.get(socket.path) === socket) this.#newest.delete(socket.path);
  }
}
