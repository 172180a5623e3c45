// The test's end of an agent in a pod: starts it, gives it orders, hears what its endpoint was asked.
import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { extensions } from './extensions.js';
import type { Behaviour, FromAgent, Order, Outcome, ToAgent } from './pod-orders.js';
import {
  type ConnectionReply,
  type ConnectionRequest,
  connectionRequest,
  type Endpoint,
  endpointAdvertiseRequest,
  methods,
  readConnectionReply,
  readVerdict,
} from './specification.js';
import { message } from './wire.js';

const program = fileURLToPath(new URL('./pod-agent.js', import.meta.url));
/** Milliseconds within which every request must have been answered; the managers' own deadline is 10 s. */
export const patience = 12_000;

/** What a call of raw bytes came to. */
export type Called =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly code: number; readonly details: string };

export interface AgentOptions {
  /** Numeric user and group, without any capability. Default: root. */
  readonly user?: number;
}

/** A process in a pod that knows only the specification. */
export class Agent implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #events = new EventEmitter();
  readonly #asked: Uint8Array[] = [];
  #orders = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.#events.setMaxListeners(0);
    child.on('message', (word: FromAgent) => {
      if (word.kind === 'outcome') this.#events.emit(String(word.id), word.outcome);
      else if (word.kind === 'asked') {
        this.#asked.push(Buffer.from(word.bytes, 'base64'));
        this.#events.emit('asked');
      }
    });
  }

  /** Starts one in a namespace under /run/netns. */
  static async start(namespace: string, { user }: AgentOptions = {}): Promise<Agent> {
    const drop =
      user === undefined
        ? []
        : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--inh-caps=-all'];
    const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, ...drop, process.execPath, program], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`the agent in ${namespace} ended at once: ${String(code)}`);
    });
    await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => undefined);
    return new Agent(child);
  }

  /** Sends raw bytes as a unary gRPC call. Without an answer within `timeoutMs` it fails with code 4. */
  async call(
    target: string,
    method: string,
    request: Uint8Array,
    timeoutMs: number = patience,
  ): Promise<Called> {
    const bytes = Buffer.from(request).toString('base64');
    const outcome = await this.order({ kind: 'call', target, method, request: bytes, timeoutMs });
    if (outcome.kind === 'reply') return { kind: 'reply', bytes: Buffer.from(outcome.bytes, 'base64') };
    if (outcome.kind === 'failed') return outcome;
    throw new Error(`a call came to ${outcome.kind}`);
  }

  /** As `call`. @throws Error when the call fails */
  async replyTo(
    target: string,
    method: string,
    request: Uint8Array,
    timeoutMs?: number,
  ): Promise<Uint8Array> {
    const called = await this.call(target, method, request, timeoutMs);
    if (called.kind === 'failed') throw new Error(`${method}: status ${called.code}: ${called.details}`);
    return called.bytes;
  }

  /** Asks the manager of a run directory for a connection, in the specification's words. */
  async connect(runDir: string, request: ConnectionRequest): Promise<ConnectionReply> {
    return readConnectionReply(await this.connectBytes(runDir, request));
  }

  /** As `connect`, the reply in bytes: two replies are the same when their bytes are. */
  async connectBytes(runDir: string, request: ConnectionRequest): Promise<Uint8Array> {
    const bytes = connectionRequest(request);
    return await this.replyTo(`unix:${runDir}/client.sock`, methods.requestConnection, bytes);
  }

  /** Closes a connection of this pod, which the specification knows no word for. @throws Error when refused */
  async close(runDir: string, requestId: string, service: string): Promise<void> {
    const bytes = message([1, requestId], [2, service]);
    const { error } = readVerdict(
      await this.replyTo(`unix:${runDir}/client.sock`, extensions.closeConnection, bytes),
    );
    if (error !== '') throw new Error(error);
  }

  /** Ends a connection of this pod's endpoint. @throws Error when refused */
  async closeAsEndpoint(runDir: string, requestId: string, service: string, reason = ''): Promise<void> {
    const bytes = message([1, requestId], [2, service], [3, reason]);
    const { error } = readVerdict(
      await this.replyTo(`unix:${runDir}/endpoint.sock`, extensions.closeAsEndpoint, bytes),
    );
    if (error !== '') throw new Error(error);
  }

  /** Advertises endpoints to the manager of a run directory. */
  async advertise(
    runDir: string,
    ...endpoints: readonly Endpoint[]
  ): Promise<{ readonly accepted: boolean; readonly error: string }> {
    const bytes = endpointAdvertiseRequest(...endpoints);
    return readVerdict(await this.replyTo(`unix:${runDir}/endpoint.sock`, methods.advertiseEndpoint, bytes));
  }

  async serve(socket: string, behaviour: Behaviour): Promise<void> {
    await this.#done({ kind: 'serve', socket, behaviour });
  }

  async behave(behaviour: Behaviour): Promise<void> {
    await this.#done({ kind: 'behave', behaviour });
  }

  /** Lets the answers go that `hold` keeps back. */
  async release(): Promise<void> {
    await this.#done({ kind: 'release' });
  }

  async listenSilently(socket: string): Promise<void> {
    await this.#done({ kind: 'listen-silently', socket });
  }

  /** Writes bytes to a plain socket; resolves with what came back when the other side closes, or after `patienceMs`. */
  async speak(
    socket: string | { readonly host: string; readonly port: number },
    bytes: Uint8Array | string,
    options: { readonly patienceMs?: number; readonly keep?: boolean } = {},
  ): Promise<{ readonly received: string; readonly closed: boolean }> {
    const outcome = await this.order({
      kind: 'speak',
      socket,
      bytes: Buffer.from(bytes).toString('base64'),
      patienceMs: options.patienceMs ?? 500,
      keep: options.keep ?? false,
    });
    if (outcome.kind !== 'spoken') throw new Error(`speaking came to ${JSON.stringify(outcome)}`);
    return { received: Buffer.from(outcome.received, 'base64').toString('latin1'), closed: outcome.closed };
  }

  /** The next request that the agent's endpoint gets; one that came already counts. */
  async nextAsked(): Promise<Uint8Array> {
    while (this.#asked.length === 0)
      await once(this.#events, 'asked', { signal: AbortSignal.timeout(patience) });
    return this.#asked.shift() ?? new Uint8Array();
  }

  /** Requests that the endpoint got and nobody took by `nextAsked`. */
  get askedCount(): number {
    return this.#asked.length;
  }

  async order(order: Order): Promise<Outcome> {
    const id = ++this.#orders;
    const signal = AbortSignal.timeout(patience + 5_000);
    const answered = once(this.#events, String(id), { signal });
    this.#child.send({ id, order } satisfies ToAgent);
    const [outcome] = (await answered) as [Outcome];
    return outcome;
  }

  /** SIGKILL; resolves when it is gone. Harmless when repeated. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #done(order: Order): Promise<void> {
    const outcome = await this.order(order);
    if (outcome.kind !== 'done') throw new Error(`${order.kind} came to ${JSON.stringify(outcome)}`);
  }
}
