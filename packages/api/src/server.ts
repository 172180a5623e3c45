// Typed gRPC servers on unix sockets and TCP, with health and reflection.
import type { Socket } from 'node:net';
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
import { Server as GrpcServer, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { addReflection } from './add-reflection.js';
import { type CallContext, CallHandlers, type Method } from './call-handlers.js';
import { NsmError } from './errors.js';
import { Health as HealthService } from './gen/grpc/health/v1/health_pb.js';
import { Health } from './health.js';
import { type Caller, type PeerCredentials, ServerConnections } from './server-connections.js';
import { TcpListener } from './tcp-listener.js';
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

export interface ServerOptions {
  /** Requests larger than this are refused. Bytes; default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** Hears once of each pod or host that has opened too many connections, and of descriptors that are used up. */
  readonly onCrowd?: (error: NsmError) => void;
}

export class Server {
  readonly #grpc: GrpcServer;
  readonly #services: DescService[] = [];
  readonly #listeners: { stop(): Promise<void> }[] = [];
  readonly #connections: ServerConnections;
  readonly #calls: CallHandlers;
  #health: Health | undefined;

  /** `onError` hears of every call that ends in an internal error; refusals are not errors. */
  constructor(
    onError: (error: NsmError, method: string) => void = () => {},
    { maxRequestBytes = defaultMaxRequestBytes, onCrowd = () => {} }: ServerOptions = {},
  ) {
    this.#connections = new ServerConnections(onCrowd);
    this.#calls = new CallHandlers(this.#connections, onError);
    this.#grpc = new GrpcServer({
      'grpc.max_receive_message_length': maxRequestBytes,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
    });
  }

  add<S extends DescService>(service: S, implementation: ServiceImplementation<S>): this {
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
          ? this.#calls.unary(method, bound)
          : this.#calls.serverStreaming(method, bound);
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
    const listener = new UnixListener(
      path,
      options,
      this.#acceptor((socket) => (identify ? { peer: identify(descriptorOf(socket)) } : {})),
    );
    await listener.start();
    this.#listeners.push(listener);
  }

  /**
   * Listens on `HOST:PORT`; port 0 takes a free one. Returns the port.
   * @throws NsmError `conflict` when the port is in use, `privilege`, `exhausted`, or `invalid`.
   */
  async listenTcp(address: string): Promise<number> {
    this.#addStandardServices();
    const listener = new TcpListener(
      this.#acceptor(({ remoteAddress }) => {
        // It was closed again before it was accepted.
        if (remoteAddress === undefined) throw new NsmError('cancelled', 'the caller went away');
        return { remoteAddress };
      }),
    );
    const port = await listener.start(address);
    this.#listeners.push(listener);
    return port;
  }

  /** Ends every call and closes every socket; calls under way are given `graceMs` to finish. */
  async stop(graceMs = 0): Promise<void> {
    this.#health?.stopServing();
    const closed = this.#listeners.splice(0).map((listener) => listener.stop());
    if (graceMs > 0) {
      await Promise.race([
        new Promise<void>((resolve) => this.#grpc.tryShutdown(() => resolve())),
        new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
      ]);
    }
    this.#grpc.forceShutdown();
    this.#connections.destroy();
    await Promise.all(closed);
  }

  /**
   * What to do with each new connection. A connection that says nothing is closed by the keepalive.
   * @param identify says who is at the other end of a connection.
   */
  #acceptor(identify: (socket: Socket) => Caller): (socket: Socket) => void {
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    return (socket) => {
      let token: string;
      try {
        token = this.#connections.add(socket, identify(socket));
      } catch {
        socket.destroy();
        return;
      }
      socket.on('error', () => socket.destroy());
      // grpc-js reports the socket's remoteAddress as the peer of each call: it leads a call to its connection.
      Object.defineProperties(socket, { remoteAddress: { value: token }, remotePort: { value: undefined } });
      injector.injectConnection(socket);
    };
  }

  /** When it begins to listen, all services of its own are there. */
  #addStandardServices(): void {
    if (this.#health) return;
    this.#health = new Health(this.#services.map(({ typeName }) => typeName));
    this.add(HealthService, this.#health);
    addReflection(this.#grpc, this.#services);
  }
}

/** The file descriptor of a socket. Node keeps it on an internal handle and offers no other way to it. */
export function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd: number } };
  if (!handle || handle.fd < 0) throw new NsmError('internal', 'the socket is closed');
  return handle.fd;
}
