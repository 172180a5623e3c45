// One endpoint's unix socket, whatever number of network services it provides: called, watched over, and missed when it dies.
import type { Socket } from 'node:net';
import {
  Channel,
  endpoint as ep,
  type Floods,
  NsmError,
  type PeerCredentials,
  type ServiceClient,
} from '@nsm/api';
import type { StepCall } from '@nsm/observe';
import { oneLine, quote } from '../untrusted-text.js';
import { connectTo, isSameProcess, listenerOf, processAt } from './socket-listener.js';

/** Milliseconds within which an endpoint must answer a request. */
const answerTimeoutMs = 5000;
/**
 * Milliseconds for which a connection to it is tried before its socket is looked at again: doubles from first to most after a break,
 * because a process that dies may close its connections a moment before it stops to listen.
 */
const lookAgainAfterMs = { first: 10, most: 250 };
/** Milliseconds within which a process that accepts connections must speak gRPC. */
const reachTimeoutMs = 2000;

type Client = ServiceClient<typeof ep.EndpointConnection>;

export class EndpointSocket {
  readonly path: string;
  readonly listener: PeerCredentials;
  readonly #client: Client;
  readonly #channel: Channel;
  readonly #stop = new AbortController();

  /** @param onDead called once, when that process does not listen any more or floods, with the reason. */
  constructor(path: string, listener: PeerCredentials, floods: Floods, onDead: (reason: string) => void) {
    this.path = path;
    this.listener = listener;
    this.#channel = new Channel(`unix:${path}`, {
      connect: async () => {
        const pod = `network namespace ${listener.namespace?.inode ?? 0}`;
        floods.admit(pod);
        const socket = this.#connect();
        floods.watch(socket, pod, ({ message }) => onDead(message));
        return socket;
      },
    });
    this.#client = this.#channel.client(ep.EndpointConnection);
    this.#watch().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) onDead(`it died: ${NsmError.from(error).message}`);
    });
  }

  /**
   * Asks the endpoint for a connection.
   * @param name of the endpoint.
   * @throws NsmError `endpoint-unreachable`, or `endpoint-refused` also for a reply to another request or without a namespace; the signal's reason.
   */
  async request(
    name: string,
    request: Parameters<Client['requestEndpointConnection']>[0],
    { signal, headers, onSteps }: StepCall & { readonly signal: AbortSignal },
  ): Promise<ep.EndpointConnectionReply> {
    const reply = await this.#client
      .requestEndpointConnection(request, { signal, headers, timeoutMs: answerTimeoutMs })
      .catch((thrown: unknown) => {
        const error = NsmError.from(thrown);
        if (signal.aborted) throw error;
        // An endpoint that stops at once resets its calls, which arrives as cancelled.
        const stopped = error.kind === 'stopping' || error.kind === 'cancelled';
        const silent = stopped || error.kind === 'deadline' || error.kind === 'unavailable';
        const why = stopped ? 'it was stopped before it had answered' : oneLine(error.message);
        throw new NsmError(
          silent ? 'endpoint-unreachable' : 'endpoint-refused',
          `endpoint ${quote(name)} on ${this.path}: ${why}`,
          error,
        );
      });
    onSteps(reply);
    if (reply.admissionError !== '')
      throw new NsmError(
        'endpoint-refused',
        `endpoint ${quote(name)} refuses: ${oneLine(reply.admissionError)}`,
      );
    for (const [field, own, asked] of [
      ['request_id', reply.requestId, request.requestId],
      ['network_service_name', reply.networkServiceName, request.networkServiceName],
    ] as const)
      if (own !== '' && own !== asked)
        throw new NsmError(
          'endpoint-refused',
          `endpoint ${quote(name)} answered another request: its reply is for ${field} ${quote(own)}, and it was asked for ${quote(asked ?? '')}`,
        );
    if (reply.linuxNamespace === '')
      throw new NsmError('endpoint-refused', `endpoint ${quote(name)} named no linux_namespace in its reply`);
    return reply;
  }

  /** Tells the endpoint that a connection has ended; one that does not implement this, or has gone, need not know. */
  async closeConnection(request: Parameters<Client['closeEndpointConnection']>[0]): Promise<void> {
    await this.#client
      .closeEndpointConnection(request, { timeoutMs: answerTimeoutMs })
      .catch(() => undefined);
  }

  close(): void {
    this.#stop.abort();
    this.#channel.close();
  }

  /** Before a byte is sent, the process at the other end of this very connection is known to be the endpoint's. */
  #connect(): Socket {
    const socket = connectTo(this.path);
    const listening = processAt(socket);
    if (isSameProcess(listening, this.listener)) return socket;
    socket.destroy();
    throw new NsmError('endpoint-unreachable', anothers(listening));
  }

  /**
   * Holds a connection to the socket: when it breaks and the process does not listen any more, the endpoint is dead, also when
   * another process listens there.
   */
  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    let patienceMs = lookAgainAfterMs.most;
    for (let answeredAt = performance.now(); ; ) {
      const looked = listenerUnlessExhausted(this.path);
      if (looked && !isSameProcess(looked, this.listener)) throw new Error(anothers(looked));
      const answered = await this.#channel.lost(patienceMs, signal).then(
        () => true,
        () => false,
      );
      signal.throwIfAborted();
      patienceMs = answered ? lookAgainAfterMs.first : Math.min(2 * patienceMs, lookAgainAfterMs.most);
      // That this manager cannot look says nothing of the endpoint.
      if (answered || !looked) answeredAt = performance.now();
      else if (performance.now() - answeredAt > reachTimeoutMs)
        throw new Error('it accepts connections but does not speak gRPC');
    }
  }
}

function anothers({ pid }: PeerCredentials): string {
  return `its socket is another process's now (${pid})`;
}

function listenerUnlessExhausted(path: string): PeerCredentials | undefined {
  try {
    return listenerOf(path);
  } catch (thrown) {
    if (isExhausted(thrown)) return undefined;
    throw thrown;
  }
}

/** Whether a failure is this process's own, for want of descriptors or the like. */
export function isExhausted(thrown: unknown): boolean {
  return NsmError.from(thrown).kind === 'exhausted';
}
