// One HTTP/2 connection to the API server, made when it is needed, checked, and made anew when it has ended.

import type { SecureClientSessionOptions } from 'node:http2';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { ApiServer, KubeCredentials } from './kube-config.js';
import { KubeError } from './kube-error.js';

/** How a connection is found out that the other side has lost: a host that is off sends no end of it. */
export interface Ping {
  /** Pause between a sign of life of the server and asking for the next, milliseconds. */
  readonly everyMs: number;
  /** How long it may take to give one, milliseconds. */
  readonly patienceMs: number;
}

export interface ApiConnectionOptions {
  /** Default: every 15 s, with 10 s of patience. */
  readonly ping?: Ping;
  /** Milliseconds until a connection must be there. Default: 5000. */
  readonly connectMs?: number;
}

export interface Call {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Bytes on the way to us: a list of a thousand objects comes without waiting for us in between. */
const window = { stream: 1 << 20, connection: 4 << 20 };

export class ApiConnection {
  readonly #server: ApiServer;
  readonly #credentials: KubeCredentials;
  readonly #ping: Ping;
  readonly #connectMs: number;
  #session: Promise<ClientHttp2Session> | undefined;
  #closed = false;

  constructor(server: ApiServer, credentials: KubeCredentials, options: ApiConnectionOptions = {}) {
    this.#server = server;
    this.#credentials = credentials;
    this.#ping = options.ping ?? { everyMs: 15_000, patienceMs: 10_000 };
    this.#connectMs = options.connectMs ?? 5000;
  }

  /** Begins a call. Its answer, and its failure, come on the stream. @throws KubeError `Unreachable` */
  async begin({ method, path, headers, body }: Call): Promise<ClientHttp2Stream> {
    const session = await this.#usable();
    const prefix = new URL(this.#server.url).pathname.replace(/\/$/, '');
    try {
      const stream = session.request(
        { ':method': method, ':path': `${prefix}${path}`, ...headers },
        { endStream: body === undefined },
      );
      if (body !== undefined) stream.end(body);
      return stream;
    } catch (error) {
      throw KubeError.unreachable(this.#server.url, error);
    }
  }

  /** The next call goes over a new connection, with the credentials of that moment. */
  renew(): void {
    const session = this.#session;
    this.#session = undefined;
    session?.then((old) => setImmediate(() => old.close())).catch(() => undefined);
  }

  /** Ends what is under way. Later calls are refused. */
  close(): void {
    this.#closed = true;
    const session = this.#session;
    this.#session = undefined;
    session?.then(destroyLater).catch(() => undefined);
  }

  async #usable(): Promise<ClientHttp2Session> {
    for (;;) {
      if (this.#closed) throw KubeError.stopped();
      this.#session ??= this.#open();
      const opening = this.#session;
      try {
        const session = await opening;
        // A server that stops lets the calls under way end, and takes no others (RFC 9113, section 6.8).
        if (!session.closed && !session.destroyed) return session;
      } catch (error) {
        if (this.#session === opening) this.#session = undefined;
        throw error;
      }
      if (this.#session === opening) this.#session = undefined;
    }
  }

  async #open(): Promise<ClientHttp2Session> {
    const session = connect(this.#server.url, await this.#options());
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no connection in time')), this.#connectMs);
        // Settings of the server: it does speak HTTP/2.
        session.once('remoteSettings', () => resolve());
        session.once('error', reject);
        session.once('close', () => reject(new Error('the connection ended at once')));
        session.once('remoteSettings', () => clearTimeout(timer));
        session.once('close', () => clearTimeout(timer));
      });
    } catch (error) {
      destroyLater(session);
      throw KubeError.unreachable(this.#server.url, explained(error));
    }
    session.on('error', () => undefined);
    session.setLocalWindowSize(window.connection);
    watchOver(session, this.#ping);
    return session;
  }

  async #options(): Promise<SecureClientSessionOptions> {
    const { ca, serverName, insecure = false } = this.#server;
    const certificate = await this.#credentials.certificate?.();
    return {
      settings: { enablePush: false, initialWindowSize: window.stream },
      ALPNProtocols: ['h2'],
      rejectUnauthorized: !insecure,
      ...(ca && { ca: ca() }),
      ...(serverName && { servername: serverName }),
      ...certificate,
    };
  }
}

/**
 * Never within a turn in which frames of the session may be read: Node.js 20 then goes on reading in memory that it has given back, which
 * ends the process sooner or later.
 */
function destroyLater(session: ClientHttp2Session): void {
  setImmediate(() => session.destroy());
}

/** Destroys the session when a sign of life does not come: all of its streams then end with an error. */
function watchOver(session: ClientHttp2Session, { everyMs, patienceMs }: Ping): void {
  let timer: NodeJS.Timeout | undefined;
  const again = (): void => {
    timer = setTimeout(() => {
      // Destroyed, and not yet closed.
      if (session.destroyed) return;
      timer = setTimeout(() => {
        session.destroy(new Error('the server gives no sign of life'), constants.NGHTTP2_CANCEL);
      }, patienceMs);
      session.ping(() => {
        clearTimeout(timer);
        if (!session.destroyed) again();
      });
    }, everyMs);
    timer.unref();
  };
  again();
  session.once('close', () => clearTimeout(timer));
}

function explained(error: unknown): unknown {
  const { code = '', message = '' } = error as NodeJS.ErrnoException;
  if (code === 'ERR_HTTP2_ERROR' || /application protocol/.test(message))
    return new Error(`it does not speak HTTP/2 (${message})`);
  return error;
}
