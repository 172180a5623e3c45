// An API server for tests, in memory: lists in pages, watches that go on from a version, compaction, and ways to fail.
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { KubeConfig } from './kube-config.js';
import type { KubeObject } from './kube-object.js';

type Stored = KubeObject & Record<string, unknown>;

interface Watch {
  readonly stream: ServerHttp2Stream;
  readonly prefix: string;
}

export class FakeApi {
  /** `METHOD PATH?QUERY` of every call. */
  readonly calls: string[] = [];
  /** What each call answers instead, when it is not undefined: an HTTP status, or `hang`. */
  answer: (call: string) => number | 'hang' | undefined = () => undefined;
  /** Objects by path. */
  readonly #objects = new Map<string, Stored>();
  readonly #history: {
    readonly version: number;
    readonly path: string;
    readonly type: string;
    readonly object: Stored;
  }[] = [];
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #watches = new Set<Watch>();
  readonly #arrivals = new Set<() => void>();
  #version = 100;
  #oldest = 0;
  #server: Http2Server | undefined;
  #port = 0;

  async start(): Promise<void> {
    const server = createServer();
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined);
    });
    server.on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      let body = '';
      stream.setEncoding('utf8').on('data', (part) => {
        body += part;
      });
      stream.on('end', () => this.#serve(stream, String(headers[':method']), String(headers[':path']), body));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Breaks all connections off. */
  async stop(): Promise<void> {
    this.breakOff();
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()));
  }

  breakOff(): void {
    for (const session of this.#sessions) session.destroy();
    this.#watches.clear();
  }

  get config(): KubeConfig {
    return {
      server: { url: `http://127.0.0.1:${this.#port}` },
      credentials: {},
      namespace: 'default',
      source: 'a test',
    };
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Ends every watch in good order. */
  endWatches(): void {
    for (const { stream } of this.#watches) stream.end();
    this.#watches.clear();
  }

  /** Sends a line to every watch. */
  send(event: object): void {
    for (const { stream } of this.#watches) stream.write(`${JSON.stringify(event)}\n`);
  }

  /** Writes an object, or removes it, as anybody might. */
  put(path: string, object: Record<string, unknown> = {}): void {
    const [namespace, , name = ''] = path.split('/').slice(-3);
    const type = this.#objects.has(path) ? 'MODIFIED' : 'ADDED';
    const metadata = {
      ...(object.metadata as object),
      name,
      ...(path.includes('/namespaces/') && { namespace }),
    };
    this.#change(type, path, { ...object, metadata } as Stored);
  }

  remove(path: string): void {
    const object = this.#objects.get(path);
    if (!object) return;
    this.#objects.delete(path);
    this.#change('DELETED', path, object);
  }

  /** Forgets the past: who watches from a version before is told that it is too old. */
  compact(): void {
    this.#history.splice(0);
    this.#oldest = this.#version;
  }

  /** As from a backup: an older state, and versions that begin anew. */
  restore(): void {
    this.#objects.clear();
    this.#history.splice(0);
    this.#version = 1;
    this.#oldest = 0;
  }

  /** Resolves when a call that fits has come, or has come already after `since` calls. */
  async called(pattern: RegExp, since = 0): Promise<void> {
    while (!this.calls.slice(since).some((call) => pattern.test(call)))
      await new Promise<void>((resolve) => this.#arrivals.add(resolve));
  }

  #change(type: string, path: string, object: Stored): void {
    this.#version++;
    const written = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    if (type !== 'DELETED') this.#objects.set(path, written);
    this.#history.push({ version: this.#version, path, type, object: written });
    for (const { stream, prefix } of this.#watches)
      if (isIn(prefix, path)) stream.write(`${JSON.stringify({ type, object: written })}\n`);
  }

  #serve(stream: ServerHttp2Stream, method: string, target: string, body: string): void {
    const call = `${method} ${target}`;
    this.calls.push(call);
    for (const arrived of [...this.#arrivals]) arrived();
    this.#arrivals.clear();
    const told = this.answer(call);
    if (told === 'hang' || stream.destroyed) return;
    const [asIs = '', query = ''] = target.split('?');
    const path = asIs.replace(/\/status$/, '');
    const asked = new URLSearchParams(query);
    if (told !== undefined) refuse(stream, told, 'Told');
    else if (asked.get('watch')) this.#watch(stream, path, Number(asked.get('resourceVersion')));
    else if (asked.has('limit')) this.#list(stream, path, asked);
    else if (method === 'POST') this.#create(stream, path, JSON.parse(body) as Stored);
    else if (body !== '' && method !== 'DELETE')
      this.#write(stream, method, path, JSON.parse(body) as Stored);
    else this.#take(stream, method, path);
  }

  #create(stream: ServerHttp2Stream, folder: string, object: Stored): void {
    const path = `${folder}/${object.metadata.name}`;
    if (this.#objects.has(path)) refuse(stream, 409, 'AlreadyExists');
    else this.#write(stream, 'PUT', path, object);
  }

  #write(stream: ServerHttp2Stream, method: string, path: string, change: Stored): void {
    const object = method === 'PATCH' ? this.#objects.get(path) : undefined;
    this.put(path, { ...object, ...change, metadata: { ...object?.metadata, ...change.metadata } });
    answer(stream, this.#objects.get(path));
  }

  #take(stream: ServerHttp2Stream, method: string, path: string): void {
    const object = this.#objects.get(path);
    if (!object) refuse(stream, 404, 'NotFound');
    else answer(stream, object);
    if (method === 'DELETE') this.remove(path);
  }

  #list(stream: ServerHttp2Stream, path: string, asked: URLSearchParams): void {
    const from = Number(asked.get('continue') ?? 0);
    const limit = Number(asked.get('limit'));
    const all = [...this.#objects].filter(([each]) => isIn(path, each)).map(([, object]) => object);
    const more = from + limit < all.length ? { continue: String(from + limit) } : {};
    const metadata = { resourceVersion: String(this.#version), ...more };
    answer(stream, { kind: 'List', metadata, items: all.slice(from, from + limit) });
  }

  #watch(stream: ServerHttp2Stream, prefix: string, from: number): void {
    stream.respond({ ':status': 200 });
    if (from < this.#oldest) {
      const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
      stream.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    }
    for (const { version, path, type, object } of this.#history)
      if (version > from && isIn(prefix, path)) stream.write(`${JSON.stringify({ type, object })}\n`);
    const watch = { stream, prefix };
    this.#watches.add(watch);
    stream.on('close', () => this.#watches.delete(watch));
  }
}

/** A list without a namespace is of all namespaces. */
function isIn(prefix: string, path: string): boolean {
  return [path, path.replace(/\/namespaces\/[^/]+(?=\/[^/]+\/[^/]+$)/, '')].some((each) =>
    each.startsWith(`${prefix}/`),
  );
}

function answer(stream: ServerHttp2Stream, value: unknown): void {
  stream.respond({ ':status': 200 });
  stream.end(JSON.stringify(value));
}

function refuse(stream: ServerHttp2Stream, status: number, reason: string): void {
  stream.respond({ ':status': status });
  stream.end(JSON.stringify({ kind: 'Status', code: status, reason, message: `refused: ${reason}` }));
}
