// What a server does with each call: it runs the method, ends it when the caller goes away, and turns errors into gRPC statuses.
import { once } from 'node:events';
import {
  create,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Metadata, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { statusOf } from '../call-status.js';
import { NsmError } from '../errors.js';
import type { PeerCredentials } from '../tls/caller.js';
import { type Identity, type IdentityKind, spiffeIdOf } from '../tls/identity.js';
import type { ServerConnections } from './server-connections.js';

export interface CallContext {
  /** Aborted when the caller cancels, goes away, or its deadline passes. */
  readonly signal: AbortSignal;
  /** Set for calls over a unix socket that was opened with `identify`. */
  readonly peer?: PeerCredentials;
  /** IP address of the caller, for calls over TCP. */
  readonly remoteAddress?: string;
  /** Who calls, by a certificate that was verified; unset on unix sockets, and over TCP without TLS (`--insecure`). */
  readonly identity?: Identity;
  /** Which trace the call belongs to, as the caller says: the header of W3C Trace Context, unchecked. */
  readonly traceparent?: string;
}

/** A call that has ended. */
export interface EndedCall {
  /** Its name without that of its service. */
  readonly method: string;
  /** Milliseconds. */
  readonly tookMs: number;
  /** Why it failed. */
  readonly error?: NsmError;
}

export type CallListener = (call: EndedCall) => void;

type Reply = MessageInitShape<DescMessage>;
/** Whose certificates may call a service. Callers without one come over unix sockets, or in plain text. */
export type Callers = readonly IdentityKind[];
export type Method = (request: MessageShape<DescMessage>, context: CallContext) => unknown;

/** What callers hear of calls that were under way when the process began to stop. */
const stopping = new NsmError('stopping', 'this process is stopping: ask again when it is back');
/** Why such a call is given up here. */
const stopped = new NsmError('cancelled', 'this process is stopping');

/** Milliseconds for which a caller may take nothing of a stream. */
const unreadForMs = 60_000;

export class CallHandlers {
  readonly #connections: ServerConnections;
  readonly #onError: (error: NsmError, method: string) => void;
  /** What ends each call that is under way. */
  readonly #ends = new Set<() => void>();
  #onCall: CallListener | undefined;

  /** @param onError hears of every call that ends in an internal error. */
  constructor(connections: ServerConnections, onError: (error: NsmError, method: string) => void) {
    this.#connections = connections;
    this.#onError = onError;
  }

  /** @param listener hears of every unary call that has ended. */
  onCall(listener: CallListener): void {
    this.#onCall = listener;
  }

  /** Ends every call: the callers hear that the process is stopping, and not that they had cancelled the calls themselves. */
  endAll(): void {
    for (const end of this.#ends) end();
  }

  /** @throws NsmError `untrusted` when the certificate of the caller is not for this service. */
  #context(
    call: { getPeer(): string; readonly metadata: Metadata },
    signal: AbortSignal,
    method: DescMethod,
    callers: Callers,
  ): CallContext {
    const caller = this.#connections.callerOf(call.getPeer());
    const { identity } = caller ?? {};
    if (identity && !callers.includes(identity.kind))
      throw new NsmError(
        'untrusted',
        `${spiffeIdOf(identity)} may not call ${method.parent.typeName}, which is for the certificates of ${callers.join(', ')}`,
      );
    const [traceparent] = call.metadata.get('traceparent');
    return { signal, ...caller, ...(typeof traceparent === 'string' ? { traceparent } : {}) };
  }

  unary(method: DescMethod, run: Method, callers: Callers) {
    return (
      call: ServerUnaryCall<MessageShape<DescMessage>, MessageShape<DescMessage>>,
      callback: sendUnaryData<MessageShape<DescMessage>>,
    ): void => {
      const life = lifeOf(call);
      const answer: typeof callback = (...told) => {
        if (this.#ends.delete(stop)) callback(...told);
      };
      const stop = (): void => {
        life.abort(stopped);
        answer(statusOf(stopping));
      };
      this.#ends.add(stop);
      const begunAt = performance.now();
      const ended = (failure: { readonly error?: NsmError }): void =>
        this.#onCall?.({ method: method.name, tookMs: performance.now() - begunAt, ...failure });
      Promise.resolve()
        .then(() => run(call.request, this.#context(call, life.signal, method, callers)))
        .finally(life.end)
        .then(
          (reply) => {
            ended({});
            answer(null, create(method.output, reply as Reply));
          },
          (thrown: unknown) => {
            ended({ error: NsmError.from(thrown) });
            answer(this.#failure(method, thrown));
          },
        );
    };
  }

  serverStreaming(method: DescMethod, run: Method, callers: Callers) {
    return async (
      call: ServerWritableStream<MessageShape<DescMessage>, MessageShape<DescMessage>>,
    ): Promise<void> => {
      const { signal, end, abort } = lifeOf(call);
      const stop = (): void => {
        abort(stopped);
        call.emit('error', statusOf(stopping));
      };
      this.#ends.add(stop);
      try {
        const replies = run(
          call.request,
          this.#context(call, signal, method, callers),
        ) as AsyncIterable<Reply>;
        for await (const reply of replies) {
          if (signal.aborted) break;
          if (!call.write(create(method.output, reply))) await drained(call, signal);
        }
        end();
        call.end();
      } catch (thrown) {
        end();
        if (signal.aborted) call.end();
        else call.emit('error', this.#failure(method, thrown));
      } finally {
        this.#ends.delete(stop);
      }
    };
  }

  #failure(method: DescMethod, thrown: unknown): { code: number; details: string } {
    const error = NsmError.from(thrown);
    if (error.kind === 'internal') this.#onError(error, `${method.parent.typeName}/${method.name}`);
    return statusOf(error);
  }
}

/** The signal of a call, and what to call when it needs no signal any more: grpc-js says `cancelled` at every end. */
function lifeOf(call: { once(event: 'cancelled', listener: () => void): unknown }): {
  readonly signal: AbortSignal;
  readonly end: () => void;
  readonly abort: (why: NsmError) => void;
} {
  const controller = new AbortController();
  let done = false;
  const abort = (why: NsmError): void => {
    if (!done) controller.abort(why);
  };
  call.once('cancelled', () => abort(new NsmError('cancelled', 'the caller went away')));
  return {
    signal: controller.signal,
    end: () => {
      done = true;
    },
    abort,
  };
}

/** @throws NsmError `overload` when the caller takes nothing: what waits for it costs memory. */
async function drained(call: ServerWritableStream<unknown, unknown>, signal: AbortSignal): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), unreadForMs);
  try {
    await once(call, 'drain', { signal: AbortSignal.any([signal, late.signal]) });
  } catch {
    if (late.signal.aborted)
      throw new NsmError('overload', `the caller has taken nothing for ${unreadForMs / 1000} s; watch again`);
  } finally {
    clearTimeout(timer);
  }
}
