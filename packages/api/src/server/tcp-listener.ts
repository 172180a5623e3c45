// Listening on an address of TCP: all addresses that a name stands for, on one port.
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { NsmError } from '../errors.js';
import { splitHostPort } from '../host-port.js';
import { systemCodeOf } from '../system-code.js';

export class TcpListener {
  readonly #accept: (socket: Socket) => void;
  readonly #listeners: NetServer[] = [];

  constructor(accept: (socket: Socket) => void) {
    this.#accept = accept;
  }

  /**
   * Listens on `HOST:PORT`; port 0 takes a free one. Returns the port.
   * @throws NsmError `conflict` when the port is in use, `privilege`, `exhausted`, or `invalid`.
   */
  async start(address: string): Promise<number> {
    const { host, port: wanted } = splitHostPort(address);
    let port = wanted;
    try {
      for (const found of await lookup(host, { all: true })) port = await this.#listen(found.address, port);
      return port;
    } catch (thrown) {
      await this.stop();
      throw cannotListen(address, thrown);
    }
  }

  /** Accepts no more connections. Resolves when the last has ended. */
  async stop(): Promise<void> {
    const closed = this.#listeners
      .splice(0)
      .map((listener) => new Promise((resolve) => listener.close(resolve)));
    await Promise.all(closed);
  }

  async #listen(host: string, port: number): Promise<number> {
    const listener = createServer({ noDelay: true }, this.#accept);
    await once(listener.listen({ host, port }), 'listening');
    this.#listeners.push(listener);
    return (listener.address() as AddressInfo).port;
  }
}

const refusals = {
  EADDRINUSE: ['conflict', 'another process listens there; stop that one, or choose another --listen'],
  EADDRNOTAVAIL: ['invalid', 'this machine does not have that address; choose another --listen'],
  EACCES: ['privilege', 'ports below 1024 are for root; choose another --listen'],
} as const;

function cannotListen(address: string, thrown: unknown): NsmError {
  const code = systemCodeOf(thrown);
  if (code in refusals) {
    const [kind, words] = refusals[code as keyof typeof refusals];
    return new NsmError(kind, `cannot listen on ${address}: ${words}`, thrown);
  }
  const { kind, message } = NsmError.from(thrown);
  return new NsmError(
    kind === 'internal' ? 'invalid' : kind,
    `cannot listen on ${address}: ${message}`,
    thrown,
  );
}
