// Typed gRPC clients: one channel to an address, any number of services on it.
import type { Socket } from 'node:net';
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Client, type ClientOptions, connectivityState, credentials, Metadata } from '@grpc/grpc-js';
import { notConnected } from '../channel-words.js';
import { NsmError } from '../errors.js';
import type { Credentials, ExpectedPeer } from '../tls/credentials.js';
import { TlsChannelCredentials } from '../tls/tls-connector.js';
import { connectOption } from './tcp-connections.js';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until the call fails with kind `deadline`. Default: 30000 for unary calls, none for streams. */
  readonly timeoutMs?: number;
  /** What travels beside the request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The methods of a service as functions: a promise for a unary call, an async iterable for a server stream. */
export type ServiceClient<S extends DescService> = {
  readonly [M in keyof S['method']]: S['method'][M] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S['method'][M] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : never;
};

export interface ChannelOptions {
  /** Bytes of one message; longer ones fail with kind `overload`. Default: 4 MiB. */
  readonly maxReplyBytes?: number;
  /** TLS, with certificates on both sides. Default: plain text, as on unix sockets. */
  readonly credentials?: Credentials | undefined;
  /** With credentials: who must be at the address. Any other process there hears nothing, and calls fail with kind `untrusted`. */
  readonly expected?: ExpectedPeer;
  /** Makes each connection, and says by rejecting that the other side is not who it should be. Default: by the address. */
  readonly connect?: () => Promise<Socket>;
}

/** One HTTP/2 connection, made on first use and again when it breaks. */
export class Channel implements Disposable {
  /** `unix:/path`, or `HOST:PORT` whatever the host is called. */
  readonly address: string;
  readonly #client: Client;
  /** Why the last attempt to connect ended in the other side not being trusted, or not trusting this one. */
  #refusal: NsmError | undefined;

  constructor(
    address: string,
    { maxReplyBytes = 4 << 20, credentials: shown, expected = {}, connect }: ChannelOptions = {},
  ) {
    this.address = address;
    const security = shown
      ? new TlsChannelCredentials({ credentials: shown, expected }, (refusal) => {
          this.#refusal = refusal;
        })
      : credentials.createInsecure();
    this.#client = new Client(targetOf(address), security, {
      ...channelOptions,
      'grpc.max_receive_message_length': maxReplyBytes,
      ...(connect ? { [connectOption]: connect } : {}),
    });
  }

  client<S extends DescService>(service: S): ServiceClient<S> {
    const methods = service.methods.map((method) => {
      switch (method.methodKind) {
        case 'unary':
          return [
            method.localName,
            (request: Init, options?: CallOptions) => this.#unary(method, request, options),
          ];
        case 'server_streaming':
          return [
            method.localName,
            (request: Init, options?: CallOptions) => this.#stream(method, request, options),
          ];
        default:
          throw new TypeError(`${method.name}: client streaming is not part of the contract`);
      }
    });
    return Object.fromEntries(methods) as ServiceClient<S>;
  }

  /** Rejects with kind `unavailable` when no connection can be made within `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.#client.waitForReady(Date.now() + timeoutMs, (error) =>
        error
          ? reject(this.#whyNot() ?? new NsmError('unavailable', `${this.address} does not answer`, error))
          : resolve(),
      ),
    );
  }

  /**
   * Resolves when an established connection is lost, and stays pending while it lives. Connects first.
   * Rejects as `ready`.
   */
  async lost(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.ready(timeoutMs);
    const channel = this.#client.getChannel();
    await new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(NsmError.from(signal.reason));
      signal?.addEventListener('abort', () => reject(NsmError.from(signal.reason)), { once: true });
      channel.watchConnectivityState(connectivityState.READY, Number.POSITIVE_INFINITY, () => resolve());
    });
  }

  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #whyNot(): NsmError | undefined {
    const { kind, message } = this.#refusal ?? {};
    return kind && new NsmError(kind, `${this.address} ${message}`, this.#refusal);
  }

  /** A call that did not reach the other side failed for what keeps them apart. */
  #explain(error: NsmError): NsmError {
    if (error.kind !== 'unavailable') return error;
    if (this.#refusal) return this.#whyNot() ?? error;
    return speaksNoPlainText(error) ? new NsmError('untrusted', `${this.address} ${wantsTls}`, error) : error;
  }

  #unary(
    method: DescMethod,
    request: Init,
    { signal, timeoutMs = 30_000, headers }: CallOptions = {},
  ): Promise<MessageShape<DescMessage>> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(NsmError.from(signal.reason));
      const time = new CallTime(timeoutMs, headers);
      const call = this.#client.makeUnaryRequest(
        path(method),
        (message: MessageShape<DescMessage>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request),
        time.metadata,
        (error, reply) => {
          time.end();
          signal?.removeEventListener('abort', abort);
          if (error) reject(this.#explain(time.explain(error)));
          else resolve(reply as MessageShape<DescMessage>);
        },
      );
      const abort = (): void => call.cancel();
      time.begin(abort);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  async *#stream(
    method: DescMethod,
    request: Init,
    { signal, timeoutMs, headers }: CallOptions = {},
  ): AsyncGenerator<MessageShape<DescMessage>> {
    signal?.throwIfAborted();
    const time = new CallTime(timeoutMs, headers);
    const call = this.#client.makeServerStreamRequest(
      path(method),
      (message: MessageShape<DescMessage>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      time.metadata,
    );
    const abort = (): void => call.cancel();
    time.begin(abort);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      for await (const message of call) yield message;
    } catch (thrown) {
      throw this.#explain(time.explain(thrown));
    } finally {
      time.end();
      signal?.removeEventListener('abort', abort);
      call.cancel();
    }
  }
}

const wantsTls =
  'does not speak plain text, and this process nothing else: start both with --insecure, or neither';

/** What Node.js says of bytes that are not HTTP/2, such as an alert of TLS. */
function speaksNoPlainText({ message }: NsmError): boolean {
  return message.startsWith(notConnected) && message.includes('Protocol error');
}

/** What gRPC lets the other side know a call's time by has 8 digits. */
const longestTimeoutMs = 99_999_999;

/**
 * How long a call may take, and what is said when that has passed. The time is measured here: a deadline of grpc-js is a time of day, and
 * a clock that jumps while a call is begun would end it at once.
 */
class CallTime {
  /** The time tells the other side too, which then ends work that is not waited for any more. */
  readonly metadata = new Metadata();
  readonly #timeoutMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(timeoutMs: number | undefined, headers: Readonly<Record<string, string>> = {}) {
    for (const [name, value] of Object.entries(headers)) this.metadata.set(name, value);
    this.#timeoutMs = timeoutMs;
    if (timeoutMs !== undefined)
      this.metadata.set('grpc-timeout', `${Math.max(1, Math.min(longestTimeoutMs, Math.ceil(timeoutMs)))}m`);
  }

  begin(cancel: () => void): void {
    if (this.#timeoutMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.#over = true;
      cancel();
    }, this.#timeoutMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  explain(thrown: unknown): NsmError {
    const error = NsmError.from(thrown);
    if (!this.#over && error.message !== 'Deadline exceeded') return error;
    return new NsmError(
      'deadline',
      `no answer in ${Number(((this.#timeoutMs ?? 0) / 1000).toPrecision(2))} s`,
      thrown,
    );
  }
}

type Init = MessageInitShape<DescMessage>;

// Back-off is short because the peers are on the same machine or cluster; keepalive finds a silent peer in 15 s.
const channelOptions: ClientOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // An idle channel is kept: its loss is how the death of the other side is noticed.
  'grpc.client_idle_timeout_ms': 2 ** 31 - 1,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
};

/** For grpc-js, which would take a host named as one of its schemes (`unix:5001`, `dns:5001`) for that scheme. */
function targetOf(address: string): string {
  return /^unix:(?!\d+$)/.test(address) ? address : `dns:${address}`;
}

function path(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}
