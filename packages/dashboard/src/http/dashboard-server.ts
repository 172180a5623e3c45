// Serves the page: its files, the mesh as JSON, what is new as server-sent events, and changes where they are allowed.
import { once } from 'node:events';
import {
  createServer as createPlain,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecure, type Server as SecureServer } from 'node:https';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { NsmError, splitHostPort, systemCodeOf } from '@nsm/api';
import type { LiveMesh } from '../mesh/live-mesh.js';
import { type AccessRules, isSame, refusalOf } from './access.js';
import { sendCapture } from './captures.js';
import { changeOf } from './changes.js';
import { EventStreams } from './event-streams.js';
import { fileOf, pageFiles } from './page-files.js';
import { fail, sendFile, sendJson, sendText } from './replies.js';

/** Bytes of a question's body. */
const mostBody = 4096;
const mostConnections = 256;
/** Questions that managers are asked at the same time, captures among them. */
const mostQuestions = 16;
/** Milliseconds within which a question must be asked. */
const askWithinMs = 10_000;

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export interface DashboardOptions extends Omit<AccessRules, 'cookie'> {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** Serves HTTPS. Default: plain HTTP. */
  readonly tls?: PageCertificate;
}

export interface PageCertificate {
  /** Certificate, key and authorities; another object when they are renewed. */
  readonly current: SecureContextOptions;
  /** Whether the other side's certificate is good for looking. */
  isOperator(socket: TLSSocket): boolean;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

function createSecurely(certificate: PageCertificate, limits: ServerOptions, answer: Answer): SecureServer {
  const contextOf = (shown: SecureContextOptions): SecureContextOptions => ({
    ...shown,
    minVersion: 'TLSv1.3',
  });
  let shown = certificate.current;
  const server = createSecure(
    { ...limits, ...contextOf(shown), requestCert: true, rejectUnauthorized: false },
    answer,
  );
  // Before the handshake of a connection begins.
  server.prependListener('connection', () => {
    if (certificate.current === shown) return;
    shown = certificate.current;
    server.setSecureContext(contextOf(shown));
  });
  return server;
}

export class DashboardServer implements AsyncDisposable {
  readonly #mesh: LiveMesh;
  readonly #streams: EventStreams;
  readonly #files = pageFiles();
  readonly #options: DashboardOptions;
  readonly #server: Server;
  /** Those of pages that managers are asked just now. */
  #questions = 0;
  #port = 0;

  private constructor(mesh: LiveMesh, options: DashboardOptions) {
    this.#mesh = mesh;
    this.#options = options;
    this.#streams = new EventStreams(mesh, {
      allowChanges: options.allowChanges,
      allowCapture: this.#knowsWhoAsks,
    });
    const answer: Answer = (request, response) => {
      this.#answer(request, response).catch((thrown: unknown) => fail(response, thrown));
    };
    const limits = { headersTimeout: askWithinMs, requestTimeout: askWithinMs };
    const { tls } = options;
    this.#server = tls ? createSecurely(tls, limits, answer) : createPlain(limits, answer);
    this.#server.maxConnections = mostConnections;
  }

  /** @throws NsmError `conflict` when another program has the port, `invalid` for an address that is not this host's. */
  static async start(mesh: LiveMesh, options: DashboardOptions): Promise<DashboardServer> {
    const server = new DashboardServer(mesh, options);
    try {
      await server.#listen();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** With the port that it listens on. */
  get port(): number {
    return this.#port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#streams[Symbol.dispose]();
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #listen(): Promise<void> {
    const { listen } = this.#options;
    const { host, port } = splitHostPort(listen);
    try {
      this.#server.listen(port, host);
      await once(this.#server, 'listening');
    } catch (error) {
      const inUse = systemCodeOf(error) === 'EADDRINUSE';
      const why = inUse ? 'another program has that port' : NsmError.from(error).message;
      throw new NsmError(inUse ? 'conflict' : 'invalid', `cannot listen on ${listen}: ${why}`, error);
    }
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address ? address.port : 0;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
    const { method = '', headers, socket } = request;
    // Of a question for a proxy the URL has a host of its own.
    const url = new URL(`http://page${request.url?.startsWith('/') ? request.url : '/'}`);
    const { tls } = this.#options;
    const isOperator = tls?.isOperator(socket as TLSSocket) ?? false;
    const rules = { ...this.#options, cookie: this.#cookie };
    const refusal = refusalOf({ method, path: url.pathname, headers, isOperator }, rules);
    if (refusal) return sendText(response, refusal.status, refusal.text);
    if (method === 'POST') return await this.#change(url.pathname, await bodyOf(request), response);
    const file = this.#files.get(fileOf(url.pathname));
    if (file) return sendFile(request, response, file);
    await this.#tell(url, request, response);
  }

  async #tell(
    { pathname, searchParams }: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    switch (pathname) {
      case '/api/mesh':
        return await sendJson(request, response, this.#streams.snapshot());
      case '/api/events': {
        const { 'last-event-id': last = searchParams.get('after') ?? '' } = request.headers;
        return this.#streams.open(request, response, String(last));
      }
      case '/api/series':
        return await sendJson(request, response, this.#mesh.seriesOf(searchParams.get('id') ?? ''));
      case '/api/compare': {
        using _turn = this.#turn();
        return await sendJson(request, response, await this.#mesh.compare(searchParams.get('id') ?? ''));
      }
      case '/api/explain': {
        using _turn = this.#turn();
        const word = (name: string): string => searchParams.get(name) ?? '';
        const asked = { service: word('service'), interfaceKind: word('interface'), from: word('from') };
        return await sendJson(request, response, await this.#mesh.explain(word('node'), asked));
      }
      case '/api/capture': {
        if (!this.#knowsWhoAsks)
          throw new NsmError('privilege', 'packets are for who shows a token: nsm dashboard --token TOKEN');
        using _turn = this.#turn();
        return await sendCapture(this.#mesh, searchParams, response);
      }
      default:
        throw new NsmError('not-found', `there is no ${pathname}`);
    }
  }

  /** Until it is disposed of. @throws NsmError `overload` when managers are asked enough already */
  #turn(): Disposable {
    if (this.#questions >= mostQuestions)
      throw new NsmError('overload', `${mostQuestions} questions are under way: ask again`);
    this.#questions++;
    return { [Symbol.dispose]: () => void this.#questions-- };
  }

  async #change(path: string, body: unknown, response: ServerResponse): Promise<void> {
    if (path !== '/api/session') {
      const text = await changeOf(this.#mesh, path, body);
      return await sendJson(undefined, response, { done: text });
    }
    const { token = '' } = (body ?? {}) as { readonly token?: unknown };
    const wanted = this.#options.token;
    if (wanted !== undefined && !isSame(String(token), wanted))
      return sendText(response, 401, 'that is not the token of this page');
    const secure = this.#options.tls ? '; Secure' : '';
    response.setHeader(
      'set-cookie',
      `${this.#cookie}=${wanted ?? ''}; HttpOnly; SameSite=Strict; Path=/${secure}`,
    );
    response.writeHead(204).end();
  }

  /** What others send over their connections is not for every user of this machine. */
  get #knowsWhoAsks(): boolean {
    return this.#options.token !== undefined;
  }

  get #cookie(): string {
    return `nsm-dashboard-${this.#port}`;
  }
}

/** @throws NsmError `invalid` of what is too long, or no JSON. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > mostBody) throw new NsmError('invalid', 'the question is too long');
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString() || '{}');
  } catch {
    throw new NsmError('invalid', 'the question is no JSON');
  }
}
