// Typed gRPC servers on unix sockets and TCP, with health and reflection.
import type { Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  Server as GrpcServer,
  type ServerOptions as GrpcServerOptions,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { descriptorOf } from '../descriptor-of.js';
import { NsmError } from '../errors.js';
import { Health as HealthService } from '../gen/grpc/health/v1/health_pb.js';
import { LogThrottle } from '../log-throttle.js';
import type { Caller, PeerCredentials } from '../tls/caller.js';
import type { Credentials } from '../tls/credentials.js';
import { type OtherProtocol, TlsAcceptor } from '../tls/tls-acceptor.js';
import { within } from '../within.js';
import { addReflection } from './add-reflection.js';
import {
  type CallContext,
  type Callers,
  CallHandlers,
  type CallListener,
  type Method,
} from './call-handlers.js';
import { callIntake } from './call-intake.js';
import { type Condition, Health } from './health.js';
import { ServerConnections, type Share } from './server-connections.js';
import { TcpListener } from './tcp-listener.js';
import type { CallBounds } from './under-way.js';
import { UnixListener, type UnixListenerOptions } from './unix-listener.js';

/** What implements a service: one function for each method. */
export type ServiceImplementation<S extends DescService> = {
  readonly [M in keyof S['method']]: S['method'][M] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : S['method'][M] extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : never;
};

export interface UnixOptions extends UnixListenerOptions {
  /** Reads the credentials of a connection from its descriptor; without it `context.peer` stays unset. */
  readonly identify?: (fd: number) => PeerCredentials;
}

/** Requests larger than this are refused, unless a server is told otherwise: pods send to it, and they are many. Bytes. */
const defaultMaxRequestBytes = 1 << 20;

/** What callers may take: one connection, and all of one pod, host or manager. */
export interface ServerLimits {
  /** Calls at the same time: further ones wait at the caller. */
  readonly streams?: number;
  /** MiB of what HTTP/2 keeps for it: headers, and data that wait. */
  readonly sessionMemoryMib?: number;
  /** Milliseconds after which a connection without a call is closed. */
  readonly idleMs?: number;
  /** What may be under way of one caller, and of all. Default: what suits a server of few. */
  readonly bounds?: CallBounds;
}

/** For servers that pods call, each of which has its share. Further calls of a connection wait at the caller. */
export const withPods: ServerLimits = {
  streams: 256,
  bounds: {
    streams: { ofOne: Number.POSITIVE_INFINITY, ofAll: 16_384 },
    callBytes: { ofOne: Number.POSITIVE_INFINITY, ofAll: 128 << 20 },
  },
};

/** For servers on TCP. A manager has one watch, and a call for each request that is under way; an idle connection that was closed is made again by its next call. */
export const betweenMachines: ServerLimits = {
  streams: 512,
  sessionMemoryMib: 16,
  idleMs: 15 * 60_000,
  bounds: {
    streams: { ofOne: 2048, ofAll: 32_768 },
    callBytes: { ofOne: 16 << 20, ofAll: 256 << 20 },
  },
};

/** Milliseconds for which callers are told that the process stops: some take nothing any more. */
const tellMs = 100;

export interface ServerOptions extends ServerLimits {
  /** Requests larger than this are refused. Bytes; default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** While it is not met, the health of the server's services is NOT_SERVING. Default: none. */
  readonly condition?: Condition;
  /** Hears of each pod or host that has opened too many connections, and of descriptors that are used up: once in some minutes. */
  readonly onCrowd?: (error: NsmError) => void;
  /** Counts what callers over unix sockets have under way. Default: nothing is counted. */
  readonly share?: Share;
}

export interface TcpOptions {
  /** TLS, with certificates on both sides; `context.identity` is the caller's. Without it: plain text, and any caller. */
  readonly credentials?: Credentials;
  /** What is served on the same port to callers that may have no certificate yet. */
  readonly other?: OtherProtocol;
  /**
   * Hears of connections that are refused before they are served: once in some minutes of each host and cause.
   * @param address of the host.
   */
  readonly onRefused?: (error: NsmError, address: string) => void;
}

export class Server {
  readonly #grpc: GrpcServer;
  readonly #services: DescService[] = [];
  readonly #listeners: { stop(): Promise<void> }[] = [];
  readonly #connections: ServerConnections;
  readonly #calls: CallHandlers;
  readonly #said = new LogThrottle(() => performance.now());
  readonly #condition: Condition | undefined;
  #health: Health | undefined;

  /** `onError` hears of every call that ends in an internal error; refusals are not errors. */
  constructor(
    onError: (error: NsmError, method: string) => void = () => {},
    {
      maxRequestBytes = defaultMaxRequestBytes,
      onCrowd = () => {},
      condition,
      share,
      ...limits
    }: ServerOptions = {},
  ) {
    this.#connections = new ServerConnections(onCrowd, limits.bounds, share);
    this.#condition = condition;
    this.#calls = new CallHandlers(this.#connections, onError);
    this.#grpc = new GrpcServer({
      'grpc.max_receive_message_length': maxRequestBytes,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
      interceptors: [callIntake(this.#connections, maxRequestBytes)],
      ...limitOptions(limits),
    });
  }

  /** @param listener hears of each unary call that has ended from now on. */
  onCall(listener: CallListener): void {
    this.#calls.onCall(listener);
  }

  /** @param callers whose certificates may call it. Default: those of managers and registries. */
  add<S extends DescService>(
    service: S,
    implementation: ServiceImplementation<S>,
    callers: Callers = ['manager', 'registry'],
  ): this {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const handlers: Record<string, (call: never, callback: never) => void> = {};
    for (const method of service.methods) {
      definition[method.name] = {
        path: `/${service.typeName}/${method.name}`,
        requestStream: false,
        responseStream: method.methodKind === 'server_streaming',
        requestSerialize: (message: MessageShape<DescMessage>) =>
          Buffer.from(toBinary(method.input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message: MessageShape<DescMessage>) =>
          Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      };
      const run = (implementation as unknown as Record<string, Method>)[method.localName];
      if (!run) throw new TypeError(`${service.typeName}/${method.name} has no implementation`);
      const bound = run.bind(implementation);
      handlers[method.name] =
        method.methodKind === 'unary'
          ? this.#calls.unary(method, bound, callers)
          : this.#calls.serverStreaming(method, bound, callers);
    }
    this.#grpc.addService(definition, handlers as never);
    this.#services.push(service);
    return this;
  }

  /**
   * Listens on a unix socket. A socket file without a server is replaced; a socket file that is removed is made again.
   * @throws NsmError `conflict` when another process serves the socket.
   */
  async listenUnix(path: string, options: UnixOptions = {}): Promise<void> {
    this.#addStandardServices();
    const { identify } = options;
    const take = this.#taker();
    const listener = new UnixListener(path, options, (socket) => {
      try {
        take(socket, identify ? { peer: identify(descriptorOf(socket)) } : {});
      } catch {
        socket.destroy();
      }
    });
    await listener.start();
    this.#listeners.push(listener);
  }

  /**
   * Listens on `HOST:PORT`; port 0 takes a free one. Returns the port.
   * @throws NsmError `conflict` when the port is in use, `privilege`, `exhausted`, or `invalid`.
   */
  async listenTcp(
    address: string,
    { credentials, other, onRefused = () => {} }: TcpOptions = {},
  ): Promise<number> {
    this.#addStandardServices();
    const take = this.#taker();
    const tls =
      credentials &&
      new TlsAcceptor({
        credentials,
        onIdentified: take,
        onRefused: (host, { kind, message }) => {
          if (this.#said.isNews(host, message))
            onRefused(new NsmError(kind, `host ${host} ${message}`), host);
        },
        ...(other ? { other } : {}),
      });
    const listener = new TcpListener((socket) => {
      if (tls) return tls.accept(socket);
      const { remoteAddress } = socket;
      // The caller had closed the connection before it was accepted.
      if (remoteAddress === undefined) socket.destroy();
      else take(socket, { remoteAddress });
    });
    const port = await listener.start(address);
    this.#listeners.push({
      stop: async () => {
        const stopped = listener.stop();
        tls?.stop();
        await stopped;
      },
    });
    return port;
  }

  /** Ends every call and closes every socket; calls under way are given `graceMs` to finish. */
  async stop(graceMs = 0): Promise<void> {
    this.#health?.stopServing();
    const closed = this.#listeners.splice(0).map((listener) => listener.stop());
    const finished = new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve()));
    if (graceMs > 0) await within(graceMs, finished, () => undefined);
    this.#calls.endAll();
    const tellUntil = performance.now() + tellMs;
    while (this.#connections.calls > 0 && performance.now() < tellUntil) await sleep(1);
    this.#grpc.forceShutdown();
    // Since Node.js 22 the resets, by which callers know an end from a break, are written when the turn is over.
    await nextTurn();
    this.#connections.destroy();
    await Promise.all(closed);
  }

  /** Serves each connection that it is given. A connection that says nothing is closed by the keepalive. */
  #taker(): (socket: Socket, caller: Caller) => void {
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    return (socket, caller) => {
      const token = this.#connections.add(socket, caller);
      if (token === undefined) return;
      socket.on('error', () => socket.destroy());
      // grpc-js reports the socket's remoteAddress as the peer of each call: it leads a call to its connection.
      Object.defineProperties(socket, { remoteAddress: { value: token }, remotePort: { value: undefined } });
      injector.injectConnection(socket);
    };
  }

  /** When it begins to listen, all services of its own are there. */
  #addStandardServices(): void {
    if (this.#health) return;
    this.#health = new Health(
      this.#services.map(({ typeName }) => typeName),
      this.#condition,
    );
    this.add(HealthService, this.#health, ['manager', 'registry', 'operator']);
    addReflection(this.#grpc, this.#services);
  }
}

function limitOptions({ streams, sessionMemoryMib, idleMs }: ServerLimits): GrpcServerOptions {
  return {
    ...(streams === undefined ? {} : { 'grpc.max_concurrent_streams': streams }),
    ...(sessionMemoryMib === undefined ? {} : { 'grpc-node.max_session_memory': sessionMemoryMib }),
    ...(idleMs === undefined ? {} : { 'grpc.max_connection_idle_ms': idleMs }),
  };
}
