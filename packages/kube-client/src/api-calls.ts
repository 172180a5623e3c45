// Calls of the API server: with credentials and a deadline, each answer a success or a KubeError.
import type { ClientHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { ApiConnection, type ApiConnectionOptions } from './api-connection.js';
import type { KubeConfig, KubeCredentials } from './kube-config.js';
import { KubeError } from './kube-error.js';
import { textOf } from './read-stream.js';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the answer must be there whole. Default: 10000. */
  readonly timeoutMs?: number;
}

/** What a call asks for. */
export interface Asked {
  /** Named in errors, such as `get pods "a"`. */
  readonly what: string;
  readonly method: string;
  readonly path: string;
  /** Empty values are left out. */
  readonly query?: Readonly<Record<string, string>>;
  readonly content?: { readonly type: string; readonly value: object };
}

const defaultTimeoutMs = 10_000;

export class ApiCalls {
  readonly #url: string;
  readonly #connection: ApiConnection;
  readonly #credentials: KubeCredentials;
  readonly #userAgent: string;

  constructor({ server, credentials }: KubeConfig, userAgent: string, options: ApiConnectionOptions) {
    this.#url = server.url;
    this.#credentials = credentials;
    this.#connection = new ApiConnection(server, credentials, options);
    this.#userAgent = userAgent;
  }

  close(): void {
    this.#connection.close();
  }

  /** The JSON of an answer. @throws KubeError, or the reason of an aborted signal. */
  async json<T>(asked: Asked, { signal, timeoutMs = defaultTimeoutMs }: CallOptions): Promise<T> {
    signal?.throwIfAborted();
    const ending = new AbortController();
    const abort = (): void => ending.abort(signal?.reason);
    signal?.addEventListener('abort', abort);
    const timer = setTimeout(
      () => ending.abort(new Error(`no answer to ${asked.what} in ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      return JSON.parse(await textOf(await this.begin(asked, ending.signal))) as T;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof KubeError
        ? error
        : this.unreachable(ending.signal.aborted ? ending.signal.reason : error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * @returns the stream of an answer that is a success. Of a 401 the call is made once more, with credentials read anew.
   * @throws KubeError, or the reason of an aborted signal.
   */
  async begin(asked: Asked, signal: AbortSignal): Promise<ClientHttp2Stream> {
    for (let attempt = 1; ; attempt++) {
      const { stream, status } = await this.#answer(asked, signal);
      if (status >= 200 && status < 300) return stream;
      const error = KubeError.fromAnswer(asked.what, status, await textOf(stream));
      if (status !== 401 || attempt > 1 || !this.#credentials.forget) throw error;
      this.#credentials.forget();
      this.#connection.renew();
    }
  }

  unreachable(cause: unknown): KubeError {
    return KubeError.unreachable(this.#url, cause);
  }

  async #answer(
    { method, path, query = {}, content }: Asked,
    signal: AbortSignal,
  ): Promise<{ readonly stream: ClientHttp2Stream; readonly status: number }> {
    const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
    const token = await this.#credentials.token?.();
    const stream = await this.#connection.begin({
      method,
      path: asked === '' ? path : `${path}?${asked}`,
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(content && { 'content-type': content.type }),
      },
      ...(content && { body: JSON.stringify(content.value) }),
    });
    const end = (): void => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener('abort', end);
    stream.once('close', () => signal.removeEventListener('abort', end));
    // An error of a stream that nobody reads any more is nobody's.
    stream.on('error', () => undefined);
    if (signal.aborted) end();
    try {
      const status = await new Promise<number>((resolve, reject) => {
        stream.once('response', (headers) => resolve(headers[':status'] ?? 0));
        stream.once('error', reject);
        stream.once('close', () => reject(new Error('the connection ended before an answer')));
      });
      return { stream, status };
    } catch (error) {
      signal.throwIfAborted();
      throw this.unreachable(error);
    }
  }
}
